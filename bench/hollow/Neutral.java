import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Decodes the neutral files (bench/README.md) into objects of the model. */
final class Neutral {
    final int kind;
    final int count;
    private final byte[] bytes;
    private int at = 16;

    Neutral(Path file) throws IOException {
        bytes = Files.readAllBytes(file);
        ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        kind = header.get(4);
        count = (int) header.getLong(8);
    }

    private Neutral(Neutral file, int from, int count) {
        kind = file.kind;
        bytes = file.bytes;
        at = from;
        this.count = count;
    }

    /** Cuts the file into parts of whole frames, to be read apart. */
    List<Neutral> parts(int n) {
        List<Neutral> parts = new ArrayList<>();
        int done = 0;
        for (int part = 1; part <= n; part++) {
            int upTo = (int) ((long) count * part / n), from = at;
            for (int i = done; i < upTo; i++) skip();
            parts.add(new Neutral(this, from, upTo - done));
            done = upTo;
        }
        return parts;
    }

    private void skip() {
        int length = (int) number();
        at += length;
    }

    /** The next frame of a base. */
    Object record() {
        number();
        return body();
    }

    /** The next frame of changes: a record, or the Long id of one to delete. */
    Object change() {
        number();
        return bytes[at++] == 0 ? body() : (Object) integer();
    }

    private Object body() {
        return switch (kind) {
            case 1 -> movie();
            case 2 -> flat();
            default -> city();
        };
    }

    private Model.Movie movie() {
        Model.Movie m = new Model.Movie();
        m.id = integer();
        m.title = text();
        m.year = (int) integer();
        m.runtime = (int) integer();
        m.rating = text();
        m.popularity = Float.intBitsToFloat((int) fixed(4));
        int n = (int) number();
        List<Model.Window> windows = new ArrayList<>(n);
        for (; n > 0; n--) {
            Model.Window w = new Model.Window();
            w.country = text();
            w.start = integer();
            w.end = integer();
            w.live = bytes[at++] != 0;
            windows.add(w);
        }
        m.countries = windows;
        n = (int) number();
        Set<Model.Genre> genres = new HashSet<>(2 * n);
        for (; n > 0; n--) genres.add(new Model.Genre(text()));
        m.genres = genres;
        n = (int) number();
        List<Model.Person> cast = new ArrayList<>(n);
        for (; n > 0; n--) {
            Model.Person p = new Model.Person();
            p.id = integer();
            p.name = text();
            cast.add(p);
        }
        m.cast = cast;
        n = (int) number();
        Map<Model.ArtKind, Model.ArtUrl> art = new HashMap<>(2 * n);
        for (; n > 0; n--) art.put(new Model.ArtKind(text()), new Model.ArtUrl(text()));
        m.artwork = art;
        return m;
    }

    private Model.Flat flat() {
        Model.Flat f = new Model.Flat();
        f.id = integer();
        f.sku = text();
        f.category = (int) integer();
        f.price = integer();
        f.stock = (int) integer();
        f.updated = integer();
        f.active = bytes[at++] != 0;
        return f;
    }

    private Model.City city() {
        Model.City c = new Model.City();
        c.id = integer();
        c.name = text();
        c.country = text();
        c.admin = text();
        c.feature = text();
        c.population = (int) integer();
        c.lat = Double.longBitsToDouble(fixed(8));
        c.lon = Double.longBitsToDouble(fixed(8));
        return c;
    }

    private long number() {
        long v = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = bytes[at++];
            v |= (long) (b & 0x7f) << shift;
            if (b >= 0) return v;
        }
    }

    private long integer() {
        long v = number();
        return v >>> 1 ^ -(v & 1);
    }

    private String text() {
        int n = (int) number();
        String s = new String(bytes, at, n, StandardCharsets.UTF_8);
        at += n;
        return s;
    }

    private long fixed(int n) {
        long v = 0;
        for (int i = 0; i < n; i++) v |= (bytes[at++] & 0xffL) << 8 * i;
        return v;
    }
}
