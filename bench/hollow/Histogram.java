/** Counts nanoseconds in buckets that are at most a 32nd wide; histogram.go has its twin. */
final class Histogram {
    private final long[] counts = new long[60 * 32];
    private long total;
    long most;

    void add(long v) {
        int shift = Math.max(0, 58 - Long.numberOfLeadingZeros(v));
        counts[shift * 32 + (int) (v >> shift)]++;
        total++;
        most = Math.max(most, v);
    }

    void add(Histogram other) {
        for (int i = 0; i < counts.length; i++) counts[i] += other.counts[i];
        total += other.total;
        most = Math.max(most, other.most);
    }

    double quantile(double q) {
        long before = (long) (q * total);
        for (int i = 0; i < counts.length; i++) {
            before -= counts[i];
            if (before >= 0) continue;
            int shift = Math.max(0, i / 32 - 1);
            return (double) ((long) (i - shift * 32) << shift);
        }
        return most;
    }
}
