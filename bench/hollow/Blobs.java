import com.netflix.hollow.api.consumer.HollowConsumer;
import com.netflix.hollow.api.consumer.fs.HollowFilesystemBlobRetriever;
import com.netflix.hollow.core.index.HollowPrimaryKeyIndex;
import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A folder of blobs and the versions in it. */
final class Blobs {
    final List<Long> ids = new ArrayList<>();
    final List<Integer> ppm = new ArrayList<>();
    private final Path folder;

    Blobs(String path) throws Exception {
        folder = Path.of(path);
        for (String line : Files.readAllLines(folder.resolve("versions.txt"))) {
            String[] words = line.split(" ");
            ids.add(Long.parseLong(words[0]));
            ppm.add(Integer.parseInt(words[1]));
        }
    }

    HollowConsumer.Builder<?> consumer() {
        return HollowConsumer.withBlobRetriever(new HollowFilesystemBlobRetriever(folder));
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
}
