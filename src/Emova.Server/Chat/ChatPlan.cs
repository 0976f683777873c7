using Emova.Server.Audio;
using Emova.Server.Engine;

namespace Emova.Server.Chat;

/// <summary>A chat request after all checks: what the engine is asked, and in which form the answer goes out.</summary>
/// <param name="Request">For the engine.</param>
/// <param name="Stream">Whether the answer is streamed.</param>
/// <param name="IncludeUsage">Whether the stream ends with the usage.</param>
/// <param name="Audio">The format of the spoken answer; null for a text answer.</param>
/// <param name="Tools">Whether the answer may be calls of functions.</param>
internal sealed record ChatPlan(EngineRequest Request, bool Stream, bool IncludeUsage, AudioFormat? Audio, bool Tools);
