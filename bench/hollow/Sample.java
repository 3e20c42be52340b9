import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.LongSupplier;

/** What a phase prints, and how it takes time and weight: as the Go side does. */
final class Sample {
    static volatile long sink;

    static void emit(String metric, double value) {
        System.out.printf(Locale.ROOT, "{\"metric\":\"%s\",\"value\":%.6f}%n", metric, value);
    }

    static void since(String metric, long start) {
        emit(metric, (System.nanoTime() - start) / 1e6);
    }

    static void text(String metric, String text) {
        System.out.printf("{\"metric\":\"%s\",\"text\":\"%s\"}%n", metric, text);
    }

    /** Processor time of this thread. */
    static long now() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    /** Processor nanoseconds of one of the n operations of a call. */
    static double perOperation(int n, LongSupplier call) {
        round(1_000_000_000L, n, call);
        double[] rounds = new double[5];
        for (int i = 0; i < rounds.length; i++) rounds[i] = round(300_000_000L, n, call);
        Arrays.sort(rounds);
        return rounds[2];
    }

    private static double round(long least, int n, LongSupplier call) {
        long start = now(), sum = 0, calls = 0, end;
        do {
            sum += call.getAsLong();
            calls++;
            end = now();
        } while (end - start < least);
        sink += sum;
        return (double) (end - start) / calls / n;
    }

    /** Live bytes of the heap. */
    static double live() throws InterruptedException {
        for (int i = 0; i < 4; i++) {
            System.gc();
            Thread.sleep(150);
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    /** Bytes by a name of /proc/self/status. */
    static double resident(String name) throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status")))
            if (line.startsWith(name + ":")) return Double.parseDouble(line.replaceAll("[^0-9]", "")) * 1024;
        return 0;
    }
}
