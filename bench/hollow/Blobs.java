import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.core.HollowConstants;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.memory.MemoryMode;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import java.io.BufferedInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A folder of blobs and the versions in it. It knows them in advance: Hollow's own retriever lists the folder for each delta,
 * which a long chain would make slow, and takes "delta-12-13" for one that begins at version 1.
 */
final class Blobs implements HollowConsumer.BlobRetriever {
    final List<Long> ids = new ArrayList<>();
    final List<Integer> ppm = new ArrayList<>();
    private final Path folder;
    private final MemoryMode mode;

    Blobs(String path) throws IOException { this(path, MemoryMode.ON_HEAP); }

    Blobs(String path, MemoryMode mode) throws IOException {
        folder = Path.of(path);
        this.mode = mode;
        for (String line : Files.readAllLines(folder.resolve("versions.txt"))) {
            String[] words = line.split(" ");
            ids.add(Long.parseLong(words[0]));
            ppm.add(Integer.parseInt(words[1]));
        }
    }

    HollowConsumer.Builder<?> consumer() {
        return HollowConsumer.withBlobRetriever(this).withMemoryMode(mode);
    }

    /** A consumer at the i'th version. */
    HollowConsumer at(int i) {
        HollowConsumer c = consumer().build();
        c.triggerRefreshTo(ids.get(i));
        return c;
    }

    static HollowPrimaryKeyIndex keys(HollowReadStateEngine state, String root) {
        return new HollowPrimaryKeyIndex(state, root, "id");
    }

    @Override public HollowConsumer.Blob retrieveSnapshotBlob(long version) {
        return new Blob(HollowConstants.VERSION_NONE, ids.get(0), folder.resolve("snapshot-" + ids.get(0)));
    }

    @Override public HollowConsumer.Blob retrieveDeltaBlob(long from) {
        int next = ids.indexOf(from) + 1;
        if (next == 0 || next == ids.size()) return null;
        return new Blob(from, ids.get(next), folder.resolve("delta-" + from + "-" + ids.get(next)));
    }

    @Override public HollowConsumer.Blob retrieveReverseDeltaBlob(long from) { return null; }

    /** Reads a file as Hollow's own retriever does. */
    private static final class Blob extends HollowConsumer.Blob {
        private final Path path;

        Blob(long from, long to, Path path) {
            super(from, to);
            this.path = path;
        }

        @Override public InputStream getInputStream() throws IOException { return new BufferedInputStream(Files.newInputStream(path)); }

        @Override public File getFile() { return path.toFile(); }
    }
}
