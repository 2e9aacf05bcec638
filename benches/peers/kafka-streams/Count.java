import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The peer of count by key: Kafka Streams, exactly once, one thread, a persistent store, tuned as its users tune it.
 *
 * <p>Counts the input to its end and prints one line of JSON. CPU time is that of the whole JVM from the start of the
 * engine to its last committed offset; "warm" leaves out what came before the first commit.
 */
public class Count {
  private static final long CACHE_BYTES = 128L << 20;

  public static void main(String[] args) throws Exception {
    Map<String, String> option = options(args);
    String input = option.get("input");
    String output = option.get("output");
    long records = Long.parseLong(option.get("records"));
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", option.get("bootstrap")))) {
      int partitions = Integer.parseInt(option.get("partitions"));
      admin.createTopics(List.of(new NewTopic(output, partitions, (short) 1))).all().get();
      KafkaStreams streams = new KafkaStreams(countByKey(input, output), settings(option));
      Reading began = new Reading(0);
      streams.start();
      Reading first = awaitCommitted(admin, output, input, 1);
      Reading last = awaitCommitted(admin, output, input, records);
      System.out.printf(
          "{\"records\":%d,\"cpu_seconds\":%.3f,\"wall_seconds\":%.3f,\"peak_rss_bytes\":%d,"
              + "\"warm\":{\"records\":%d,\"cpu_seconds\":%.3f}}%n",
          records, last.cpuSecondsSince(began), last.wallSecondsSince(began), peakRssBytes(),
          records - first.records, last.cpuSecondsSince(first));
      streams.close(Duration.ofSeconds(10));
    }
    System.exit(0);
  }

  private static Topology countByKey(String input, String output) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(input, Consumed.with(Serdes.Bytes(), Serdes.Bytes()))
        .groupByKey()
        .count(Materialized.<Bytes, Long, KeyValueStore<Bytes, byte[]>>as("counts")
            .withKeySerde(Serdes.Bytes())
            .withValueSerde(Serdes.Long()))
        .toStream()
        .to(output, Produced.with(Serdes.Bytes(), Serdes.Long()));
    return builder.build();
  }

  /** Above the blank line what the task asks for, below it what makes it faster than the defaults. */
  private static Properties settings(Map<String, String> option) {
    Properties settings = new Properties();
    settings.put("application.id", option.get("output"));
    settings.put("bootstrap.servers", option.get("bootstrap"));
    settings.put("state.dir", option.get("state"));
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("num.stream.threads", "1");
    settings.put("auto.offset.reset", "earliest");
    settings.put("commit.interval.ms", option.get("commit-ms"));

    settings.put("statestore.cache.max.bytes", CACHE_BYTES);
    settings.put("buffered.records.per.partition", "10000");
    settings.put("main.consumer.max.poll.records", "5000");
    settings.put("main.consumer.fetch.min.bytes", "65536");
    settings.put("main.consumer.max.partition.fetch.bytes", "4194304");
    settings.put("producer.batch.size", "262144");
    settings.put("producer.linger.ms", "100");
    settings.put("producer.compression.type", "lz4");
    return settings;
  }

  /** Waits until the group has committed that many records of the input. */
  private static Reading awaitCommitted(Admin admin, String group, String input, long records) throws Exception {
    while (true) {
      Thread.sleep(50);
      long committed = 0;
      Map<TopicPartition, OffsetAndMetadata> offsets;
      try {
        offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      } catch (java.util.concurrent.ExecutionException notYet) {
        continue;
      }
      for (Map.Entry<TopicPartition, OffsetAndMetadata> entry : offsets.entrySet()) {
        if (entry.getKey().topic().equals(input) && entry.getValue() != null) {
          committed += entry.getValue().offset();
        }
      }
      if (committed >= records) {
        return new Reading(committed);
      }
    }
  }

  private static long peakRssBytes() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }
    throw new IllegalStateException("no VmHWM in /proc/self/status");
  }

  private static Map<String, String> options(String[] args) {
    Map<String, String> options = new HashMap<>();
    for (int at = 0; at + 1 < args.length; at += 2) {
      options.put(args[at].substring("--".length()), args[at + 1]);
    }
    return options;
  }

  /** The clocks at one moment, and how far the work was. */
  private static final class Reading {
    private final long records;
    private final long wallNanos = System.nanoTime();
    private final long cpuNanos =
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();

    Reading(long records) {
      this.records = records;
    }

    double wallSecondsSince(Reading earlier) {
      return (wallNanos - earlier.wallNanos) / 1e9;
    }

    double cpuSecondsSince(Reading earlier) {
      return (cpuNanos - earlier.cpuNanos) / 1e9;
    }
  }
}
