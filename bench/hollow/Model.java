import com.netflix.hollow.core.write.objectmapper.HollowHashKey;
import com.netflix.hollow.core.write.objectmapper.HollowInline;
import com.netflix.hollow.core.write.objectmapper.HollowPrimaryKey;
import com.netflix.hollow.core.write.objectmapper.HollowTypeName;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The records as Java objects: the same types and fields as on the Go side. */
final class Model {
    static Class<?> root(int kind) {
        return switch (kind) {
            case 1 -> Movie.class;
            case 2 -> Flat.class;
            case 3 -> City.class;
            default -> throw new IllegalArgumentException("kind " + kind);
        };
    }

    @HollowPrimaryKey(fields = "id")
    @HollowTypeName(name = "Movie")
    static final class Movie {
        long id;
        @HollowInline String title;
        int year;
        int runtime;
        @HollowTypeName(name = "Rating") String rating;
        float popularity;
        List<Window> countries;
        @HollowHashKey(fields = "value") Set<Genre> genres;
        List<Person> cast;
        @HollowHashKey(fields = "value") Map<ArtKind, ArtUrl> artwork;
    }

    @HollowTypeName(name = "CountryAvailability")
    static final class Window {
        @HollowTypeName(name = "Country") String country;
        long start;
        long end;
        boolean live;
    }

    @HollowPrimaryKey(fields = "id")
    @HollowTypeName(name = "Person")
    static final class Person {
        long id;
        @HollowInline String name;
    }

    /** One string; equal to another of the same class with the same string. */
    abstract static class Text {
        abstract String text();

        @Override public final int hashCode() { return text().hashCode(); }

        @Override public final boolean equals(Object o) {
            return o != null && o.getClass() == getClass() && ((Text) o).text().equals(text());
        }
    }

    @HollowTypeName(name = "Genre")
    static final class Genre extends Text {
        @HollowInline String value;

        Genre(String value) { this.value = value; }

        @Override String text() { return value; }
    }

    @HollowTypeName(name = "ArtKind")
    static final class ArtKind extends Text {
        @HollowInline String value;

        ArtKind(String value) { this.value = value; }

        @Override String text() { return value; }
    }

    @HollowTypeName(name = "ArtUrl")
    static final class ArtUrl extends Text {
        @HollowInline String value;

        ArtUrl(String value) { this.value = value; }

        @Override String text() { return value; }
    }

    @HollowPrimaryKey(fields = "id")
    @HollowTypeName(name = "Flat")
    static final class Flat {
        long id;
        @HollowInline String sku;
        int category;
        long price;
        int stock;
        long updated;
        boolean active;
    }

    @HollowPrimaryKey(fields = "id")
    @HollowTypeName(name = "City")
    static final class City {
        long id;
        @HollowInline String name;
        @HollowTypeName(name = "Country") String country;
        @HollowTypeName(name = "Admin") String admin;
        @HollowTypeName(name = "Feature") String feature;
        int population;
        double lat;
        double lon;
    }
}
