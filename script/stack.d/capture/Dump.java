import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Writes the raw bytes of every record of {@code <variant>.cdc.<table>} into {@code <out>/<variant>/cdc.<table>/}:
 * {@code <offset>-<op>.key} and {@code .value}; a null has no file. Ends when the last row of the changes was read.
 */
public class Dump {
  private static final String LAST_ROW = "3fffffff-ffff-4fff-8fff-ffffffffffff";
  private static final Pattern OP = Pattern.compile("\"op\":\"([a-z])\"");

  public static void main(String[] args) throws Exception {
    Path out = Path.of(args[1]);
    List<TopicPartition> partitions = new ArrayList<>();
    for (String table : List.of("users", "posts", "follows", "comments", "likes")) {
      partitions.add(new TopicPartition(args[2] + ".cdc." + table, 0));
    }
    boolean ended = false;
    long deadline = System.currentTimeMillis() + 60_000;
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(Map.<String, Object>of("bootstrap.servers", args[0]), bytes, bytes)) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      int quiet = 0;
      // Topics are fetched apart: after the last row, two empty polls tell that the others are at their ends.
      while (!ended || quiet < 2) {
        if (System.currentTimeMillis() > deadline) {
          throw new IllegalStateException("the last row did not arrive");
        }
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
        quiet = records.isEmpty() ? quiet + 1 : 0;
        for (ConsumerRecord<byte[], byte[]> record : records) {
          write(out, record);
          ended |= text(record.value()).contains(LAST_ROW);
        }
      }
    }
  }

  private static void write(Path out, ConsumerRecord<byte[], byte[]> record) throws Exception {
    int dot = record.topic().indexOf('.');
    Path folder = out.resolve(record.topic().substring(0, dot)).resolve(record.topic().substring(dot + 1));
    Files.createDirectories(folder);
    Matcher op = OP.matcher(text(record.value()));
    String name = String.format("%02d-%s", record.offset(), op.find() ? op.group(1) : "tombstone");
    if (record.key() != null) {
      Files.write(folder.resolve(name + ".key"), record.key());
    }
    if (record.value() != null) {
      Files.write(folder.resolve(name + ".value"), record.value());
    }
  }

  private static String text(byte[] bytes) {
    return bytes == null ? "" : new String(bytes, StandardCharsets.UTF_8);
  }
}
