using System.Buffers.Binary;
using Emova.Training.DataSets;
using Xunit;
using static Emova.Training.Tests.DataSets.DataSetFolder;

namespace Emova.Training.Tests.DataSets;

public sealed class ParquetTests : IDisposable
{
    private readonly DataSetFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Conversations_with_embedded_pictures_are_read_over_row_groups_and_broken_ones_listed()
    {
        ParquetRow[] rows =
        [
            ParquetRow.Of("a", Png(56, 56), "<image>\nWhat?", "A square."),
            ParquetRow.Of("b", null, "hello", "hi", "and?", "bye"),
            ParquetRow.Of("c", null, "unanswered"),
            ParquetRow.Of("d", Png(84, 28), "<image>\nAnd this?", "A bar."),
            new ParquetRow { id = "e" },
        ];
        string file = _folder.Parquet(rows, "train-00000.parquet");
        Assert.Equal(DataSetFormat.Parquet, DataSetFormat.Resolve(_folder.Path, "auto"));
        using (ParquetPack pack = new(file, _folder.File("cache", "0")))
        {
            DefectList defects = new();
            (long Key, DataSetExample Example)[] read = [.. pack.Scan(defects)];
            Assert.Equal(["a", "b", "d"], read.Select(r => r.Example.Id));
            Assert.Equal(["hello", "hi", "and?", "bye"], read[1].Example.Messages.Select(m => m.Text));
            Assert.Equal([(56, 56), (84, 28)], read.Where(r => r.Example.Picture is not null).Select(r => pack.Read(r.Key).Picture!.Size()));
            Assert.Equal((84, 28), (pack.Read(read[2].Key).Picture!.Load().Width, pack.Read(read[2].Key).Picture!.Load().Height));
            Assert.Equal(2, defects.Dropped);
        }

        // The second run reads the copy, and finds the same defects in its list.
        DateTime copied = File.GetLastWriteTimeUtc(_folder.File("cache", "0", "pictures.bin"));
        using ParquetPack again = new(file, _folder.File("cache", "0"));
        DefectList second = new();
        Assert.Equal(3, again.Scan(second).Count());
        Assert.Equal(2, second.Dropped);
        Assert.Equal(copied, File.GetLastWriteTimeUtc(_folder.File("cache", "0", "pictures.bin")));
    }

    [Fact]
    public async Task Recordings_in_parquet_are_a_speech_corpus()
    {
        string wav = _folder.Wav(Sound(0.5), 16000, "a.wav");
        string file = _folder.File("speech.parquet");
        using (FileStream stream = File.Create(file))
        {
            await Parquet.Serialization.ParquetSerializer.SerializeAsync(
                new[] { new SpeechRow { id = "s1", text = "hello", audio = new ParquetImage { bytes = File.ReadAllBytes(wav), path = "a.wav" } }, new SpeechRow { id = "s2", text = "nothing here" } },
                stream, cancellationToken: TestContext.Current.CancellationToken);
        }

        Assert.True(DataSetFormat.HoldsRecordings(file, DataSetFormat.Parquet));
        SpeechRecording[] recordings = [.. SpeechCorpus.Recordings(file, DataSetFormat.Parquet, new DefectList())];
        Assert.Equal(["s1", "s2"], recordings.Select(r => r.Id));
        Assert.Equal(8000, recordings[0].Load().Samples.Length);
        Assert.Equal(DefectKind.MissingFile, Assert.Throws<DefectException>(() => recordings[1].Load()).Kind);
    }

    [Fact]
    public void Damaged_files_are_refused_and_never_end_a_scan()
    {
        byte[] good = File.ReadAllBytes(_folder.Parquet([ParquetRow.Of("a", Png(28, 28), "<image>\nq", "a"), ParquetRow.Of("b", null, "q", "b")], "good.parquet", 1));
        int footer = BinaryPrimitives.ReadInt32LittleEndian(good.AsSpan(good.Length - 8));
        Random random = new(11);
        int refused = 0, tried = 300;
        for (int i = 0; i < tried; i++)
        {
            byte[] bad = [.. good];
            int from = i % 2 == 0 ? good.Length - 8 - footer : 4, to = i % 2 == 0 ? good.Length : good.Length - 8 - footer;
            for (int k = random.Next(1, 4); k > 0; k--)
            {
                bad[random.Next(from, to)] = (byte)(random.Next(2) == 0 ? 0xFF : random.Next(256));
            }

            DefectList defects = new();
            try
            {
                using ParquetTable table = ParquetTable.Open(new MemoryStream(bad), "fuzz");
                for (int group = 0; group < Math.Min(table.Groups, 4); group++)
                {
                    foreach (string[] column in table.Columns)
                    {
                        _ = table.IsText(column) ? table.Texts(group, column).Length : table.IsBytes(column) ? table.Bytes(group, column).Length : 0;
                    }
                }
            }
            catch (EmovaException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, tried / 10, tried - 1);
    }

    [Fact]
    public void Metadata_that_claims_more_than_the_file_can_hold_is_refused_before_anything_is_allocated()
    {
        byte[] listOfBillions = [0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x00]; // field 1, a list of 2^32 - 1 structs
        byte[] file = [.. "PAR1"u8, .. listOfBillions, .. BitConverter.GetBytes(listOfBillions.Length), .. "PAR1"u8];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("4294967295", Assert.Throws<EmovaException>(() => ParquetTable.Open(new MemoryStream(file), "bomb")).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 22);

        byte[] deep = [.. Enumerable.Repeat((byte)0x1C, 4000), .. new byte[4000]];
        byte[] nested = [.. "PAR1"u8, .. deep, .. BitConverter.GetBytes(deep.Length), .. "PAR1"u8];
        Assert.Contains("deeper", Assert.Throws<EmovaException>(() => ParquetTable.Open(new MemoryStream(nested), "bomb")).Message, StringComparison.Ordinal);
        Assert.Throws<EmovaException>(() => ParquetTable.Open(new MemoryStream([.. "PAR1"u8, .. BitConverter.GetBytes(int.MaxValue), .. "PAR1"u8, 1, 2, 3]), "bomb"));
    }

    public sealed class SpeechRow
    {
        public string? id { get; set; }

        public string? text { get; set; }

        public ParquetImage? audio { get; set; }
    }
}
