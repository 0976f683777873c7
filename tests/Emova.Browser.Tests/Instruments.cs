namespace Emova.Browser.Tests;

/// <summary>Scripts that run before the page's own. They watch and replace devices; the page's code is the one that is shipped.</summary>
internal static class Instruments
{
    /// <summary>
    /// Writes down when the loudspeaker's worklet, on the audio thread, has sound or silence for its output, and when the server
    /// heard the user begin to speak: <c>window.marks</c>.
    /// </summary>
    public const string Marks =
        """
        window.marks = [];
        const mark = (what) => window.marks.push({ what, at: performance.now() });
        // While it plays, the audio thread reports every 21 ms: longer pauses are those of a busy machine.
        window.lateness = (begin) => {
          const marks = window.marks.slice(begin);
          const pauses = marks.slice(1).map((later, i) => (later.what === 'sound' && marks[i].what === 'sound' ? later.at - marks[i].at - 21 : 0));
          return Math.max(0, ...pauses);
        };
        const Node = AudioWorkletNode;
        window.AudioWorkletNode = class extends Node {
          constructor(context, name, options) {
            super(context, name, options);
            if (name === 'player') this.port.addEventListener('message', (message) => mark(message.data.empty ? 'silence' : 'sound'));
          }
        };
        const Socket = WebSocket;
        window.WebSocket = class extends Socket {
          constructor(url, protocols) {
            super(url, protocols);
            this.addEventListener('message', (message) => {
              if (JSON.parse(message.data).type === 'input_audio_buffer.speech_started') mark('speech heard');
            });
          }
        };
        """;

    /// <summary>A microphone that is silent until <c>window.speak()</c> plays a recording into it.</summary>
    public const string QuietMicrophone =
        """
        navigator.mediaDevices.getUserMedia = async () => {
          const context = new AudioContext();
          const target = context.createMediaStreamDestination();
          const sound = await context.decodeAudioData(await (await fetch('/question-of-the-test.wav')).arrayBuffer());
          window.speak = () => {
            const source = new AudioBufferSourceNode(context, { buffer: sound });
            source.connect(target);
            source.start();
          };
          return target.stream;
        };
        """;

    /// <summary>A machine without a microphone.</summary>
    public const string NoMicrophone =
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Requested device not found', 'NotFoundError'));";

    /// <summary>
    /// Presses the space bar 60 ms after the answer has begun to sound. Gives the milliseconds from there to silence, and the longest
    /// the browser itself was late meanwhile.
    /// </summary>
    public const string InterruptByKey =
        """
        () => new Promise((resolve, reject) => {
          setTimeout(() => reject(new Error(`not interrupted within a minute; last: ${JSON.stringify(window.marks.slice(-4))}`)), 60000);
          const begin = window.marks.length;
          const wait = (what, from) => new Promise((found) => {
            const look = () => {
              const mark = window.marks.slice(from).find((candidate) => candidate.what === what);
              if (mark) found(mark); else setTimeout(look, 2);
            };
            look();
          });
          wait('sound', begin).then(() => setTimeout(() => {
            const pressed = performance.now();
            const from = window.marks.length;
            document.dispatchEvent(new KeyboardEvent('keydown', { key: ' ' }));
            wait('silence', from).then((mark) => {
              document.dispatchEvent(new KeyboardEvent('keyup', { key: ' ' }));
              resolve([mark.at - pressed, window.lateness(begin)]);
            });
          }, 60));
        })
        """;

    /// <summary>
    /// Speaks as soon as the answer sounds. Gives the milliseconds from the server's word that it heard so to silence, and the longest
    /// the browser itself was late meanwhile.
    /// </summary>
    public const string InterruptByVoice =
        """
        () => new Promise((resolve, reject) => {
          setTimeout(() => reject(new Error(`not interrupted within a minute; last: ${JSON.stringify(window.marks.slice(-4))}`)), 60000);
          const begin = window.marks.length;
          let stage = 'sound', from = begin, heard = 0;
          const look = () => {
            const mark = window.marks.slice(from).find((candidate) => candidate.what === stage);
            if (mark) {
              from = window.marks.length;
              if (stage === 'sound') { window.speak(); stage = 'speech heard'; }
              else if (stage === 'speech heard') {
                // An answer that had ended by itself cannot be interrupted: the next one can.
                heard = mark.at;
                stage = window.marks.slice(0, window.marks.indexOf(mark)).at(-1).what === 'sound' ? 'silence' : 'sound';
                from = window.marks.indexOf(mark);
              }
              else { resolve([mark.at - heard, window.lateness(begin)]); return; }
            }
            setTimeout(look, 2);
          };
          look();
        })
        """;
}
