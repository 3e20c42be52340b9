import com.netflix.hollow.core.read.engine.HollowReadStateEngine;
import com.netflix.hollow.core.read.engine.list.HollowListTypeReadState;
import com.netflix.hollow.core.read.engine.map.HollowMapTypeReadState;
import com.netflix.hollow.core.read.engine.object.HollowObjectTypeReadState;
import com.netflix.hollow.core.read.engine.set.HollowSetTypeReadState;
import com.netflix.hollow.core.read.iterator.HollowMapEntryOrdinalIterator;
import com.netflix.hollow.core.read.iterator.HollowOrdinalIterator;
import java.util.function.IntToLongFunction;

/** Reads every field of a record and of all that it refers to; visit.go sums the same. */
final class Visit {
    private final HollowReadStateEngine state;

    private Visit(HollowReadStateEngine state) { this.state = state; }

    static IntToLongFunction of(HollowReadStateEngine state, String root) {
        Visit v = new Visit(state);
        return switch (root) {
            case "Movie" -> v.movie();
            case "Flat" -> v.flat();
            default -> v.city();
        };
    }

    private HollowObjectTypeReadState object(String name) { return (HollowObjectTypeReadState) state.getTypeState(name); }

    private static long text(HollowObjectTypeReadState t, int o, int f) {
        String s = t.readString(o, f);
        return s.isEmpty() ? 0 : s.length() * 256L + s.charAt(s.length() - 1);
    }

    /** Fields are in the order of the model, which the schema keeps. */
    private IntToLongFunction flat() {
        HollowObjectTypeReadState t = object("Flat");
        return o -> t.readLong(o, 0) + text(t, o, 1) + t.readInt(o, 2) + t.readLong(o, 3) + t.readInt(o, 4) + t.readLong(o, 5)
                + (t.readBoolean(o, 6) ? 1 : 0);
    }

    private IntToLongFunction city() {
        HollowObjectTypeReadState t = object("City"), country = object("Country"), admin = object("Admin"), feature = object("Feature");
        return o -> t.readLong(o, 0) + text(t, o, 1) + text(country, t.readOrdinal(o, 2), 0) + text(admin, t.readOrdinal(o, 3), 0)
                + text(feature, t.readOrdinal(o, 4), 0) + t.readInt(o, 5) + Double.doubleToRawLongBits(t.readDouble(o, 6))
                + Double.doubleToRawLongBits(t.readDouble(o, 7));
    }

    private IntToLongFunction movie() {
        HollowObjectTypeReadState movie = object("Movie"), rating = object("Rating"), window = object("CountryAvailability"),
                country = object("Country"), genre = object("Genre"), person = object("Person"), artKind = object("ArtKind"), artUrl = object("ArtUrl");
        HollowListTypeReadState windows = (HollowListTypeReadState) state.getTypeState("ListOfCountryAvailability");
        HollowListTypeReadState casts = (HollowListTypeReadState) state.getTypeState("ListOfPerson");
        HollowSetTypeReadState genres = (HollowSetTypeReadState) state.getTypeState("SetOfGenre");
        HollowMapTypeReadState artworks = (HollowMapTypeReadState) state.getTypeState("MapOfArtKindToArtUrl");
        return o -> {
            long sum = movie.readLong(o, 0) + 3L * movie.readInt(o, 2) + 5L * movie.readInt(o, 3)
                    + Integer.toUnsignedLong(Float.floatToRawIntBits(movie.readFloat(o, 5)))
                    + 7 * text(movie, o, 1) + 11 * text(rating, movie.readOrdinal(o, 4), 0);
            int list = movie.readOrdinal(o, 6);
            for (int i = 0, n = windows.size(list); i < n; i++) {
                int w = windows.getElementOrdinal(list, i);
                sum += text(country, window.readOrdinal(w, 0), 0) + window.readLong(w, 1) + 2 * window.readLong(w, 2)
                        + (window.readBoolean(w, 3) ? 1 : 0);
            }
            HollowOrdinalIterator g = genres.ordinalIterator(movie.readOrdinal(o, 7));
            for (int e = g.next(); e != HollowOrdinalIterator.NO_MORE_ORDINALS; e = g.next()) sum += 13 * text(genre, e, 0);
            list = movie.readOrdinal(o, 8);
            for (int i = 0, n = casts.size(list); i < n; i++) {
                int p = casts.getElementOrdinal(list, i);
                sum += person.readLong(p, 0) + 17 * text(person, p, 1);
            }
            HollowMapEntryOrdinalIterator a = artworks.ordinalIterator(movie.readOrdinal(o, 9));
            while (a.next()) sum += 19 * text(artKind, a.getKey(), 0) + 23 * text(artUrl, a.getValue(), 0);
            return sum;
        };
    }
}
