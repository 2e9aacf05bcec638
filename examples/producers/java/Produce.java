// Writes a view, a like and a share of one user and one post, in the schema that the registry has for `events`.
//
// The key of a record is the user's id as text, 36 characters in lower case, and its partition murmur2 of the key, which is
// this client's default. librdkafka has CRC32 unless it is told: say `partitioner` there. Two producers that differ in it put
// one user's events into two partitions; their order is lost then, and an event that is sent twice may count twice.

import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData.EnumSymbol;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

class Produce {
  public static void main(String[] arguments) throws Exception {
    String registry = System.getenv("REGISTRY"), post = System.getenv("POST_ID");
    String user = System.getenv("USER_ID").toLowerCase();
    var latest = URI.create(registry + "/subjects/events-value/versions/latest/schema").toURL();
    var schema = new Schema.Parser().parse(latest.openStream());
    // Apicurio's serializer speaks its registry's own interface. With another registry it is Confluent's KafkaAvroSerializer,
    // with `schema.registry.url`, `auto.register.schemas` false and `use.latest.version` true.
    Map<String, Object> settings = Map.of(
        "bootstrap.servers", System.getenv("KAFKA"), "enable.idempotence", true, "max.block.ms", 30_000,
        "apicurio.registry.url", registry.replace("/apis/ccompat/v7", "/apis/registry/v2"),
        "apicurio.registry.as-confluent", true, "apicurio.registry.use-id", "contentId",
        "apicurio.registry.headers.enabled", false, "apicurio.registry.auto-register", false,
        "apicurio.registry.find-latest", true);
    var toAvro = new AvroKafkaSerializer<GenericRecord>();
    toAvro.configure(settings, false);
    try (var producer = new KafkaProducer<String, GenericRecord>(settings, new StringSerializer(), toAvro)) {
      for (var action : List.of("view", "like", "share")) {
        var event = new GenericRecordBuilder(schema) // `event_id`: sent again under it, it is the same event
            .set("event_id", UUID.randomUUID().toString()).set("event_time", System.currentTimeMillis())
            .set("user_id", user).set("post_id", post)
            .set("action", new EnumSymbol(schema.getField("action").schema(), action)).build();
        var sent = producer.send(new ProducerRecord<>("events", user, event)).get();
        System.out.println(action + ": partition " + sent.partition() + ", offset " + sent.offset());
      }
    }
  }
}
