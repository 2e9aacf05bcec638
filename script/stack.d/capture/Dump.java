import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Writes the raw bytes of every record of {@code <variant>.cdc.<table>} into {@code <out>/<variant>/cdc.<table>/}:
 * {@code <offset>-<op>.key} and {@code .value}; a null has no file. The schemas that Avro was written with go to
 * {@code <out>/<variant>/schemas/<id>.avsc}. Ends when the last row of the changes was read.
 */
public class Dump {
  private static final String LAST_ROW = "3fffffff-ffff-4fff-8fff-ffffffffffff";
  private static final Pattern OP = Pattern.compile("\"op\":\"([a-z])\"");

  private final Path out;
  private final String registry;
  private final Map<Integer, Schema> schemas = new HashMap<>();

  private Dump(Path out, String registry) {
    this.out = out;
    this.registry = registry;
  }

  public static void main(String[] args) throws Exception {
    Dump dump = new Dump(Path.of(args[1], args[2]), args[3]);
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
          dump.write(record);
          ended |= text(record.value()).contains(LAST_ROW);
        }
      }
    }
  }

  private void write(ConsumerRecord<byte[], byte[]> record) throws Exception {
    Path folder = out.resolve(record.topic().substring(record.topic().indexOf('.') + 1));
    Files.createDirectories(folder);
    String name = String.format("%02d-%s", record.offset(), op(record.value()));
    if (record.key() != null) {
      Files.write(folder.resolve(name + ".key"), record.key());
      if (record.key()[0] == 0) {
        schema(ByteBuffer.wrap(record.key(), 1, 4).getInt());
      }
    }
    if (record.value() != null) {
      Files.write(folder.resolve(name + ".value"), record.value());
    }
  }

  private String op(byte[] value) throws Exception {
    if (value != null && value[0] == 0) {
      Schema schema = schema(ByteBuffer.wrap(value, 1, 4).getInt());
      var decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
      return new GenericDatumReader<GenericRecord>(schema).read(null, decoder).get("op").toString();
    }
    Matcher op = OP.matcher(text(value));
    return op.find() ? op.group(1) : "tombstone";
  }

  private Schema schema(int id) throws Exception {
    Schema known = schemas.get(id);
    if (known != null) {
      return known;
    }
    var request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
    String answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body();
    Schema schema = new Schema.Parser().parse(new ObjectMapper().readTree(answer).get("schema").asText());
    Path folder = out.resolve("schemas");
    Files.createDirectories(folder);
    Files.writeString(folder.resolve(id + ".avsc"), schema.toString(true) + "\n");
    schemas.put(id, schema);
    return schema;
  }

  private static String text(byte[] bytes) {
    return bytes == null ? "" : new String(bytes, StandardCharsets.UTF_8);
  }
}
