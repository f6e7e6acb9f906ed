//! Reads a prompt into a scene by its words.

/// What to paint.
pub(crate) enum Scene {
    Landscape(Landscape),
    Space { planets: usize },
    Cells,
    Atom,
    Geometry,
    Undersea,
}

/// A view to a horizon.
pub(crate) struct Landscape {
    pub(crate) time: Time,
    pub(crate) weather: Weather,
    pub(crate) ridges: usize,
    pub(crate) snow: bool,
    pub(crate) volcano: bool,
    pub(crate) forest: bool,
    pub(crate) city: bool,
    pub(crate) pyramids: bool,
    pub(crate) birds: bool,
    pub(crate) ground: Ground,
    /// Fields in flower.
    pub(crate) flowers: bool,
    pub(crate) tint: Option<crate::canvas::Color>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Time {
    Dawn,
    Day,
    Sunset,
    Night,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Weather {
    Clear,
    Cloudy,
    Foggy,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ground {
    Water,
    Meadow,
    Sand,
    Snow,
}

struct Words(Vec<String>);

impl Words {
    fn of(prompt: &str) -> Self {
        let lower = prompt.to_lowercase();
        let words = lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty());
        Self(words.map(str::to_owned).collect())
    }

    /// Whether a word begins with one of `stems`; a stem that ends in a space is the whole word.
    fn say(&self, stems: &str) -> bool {
        stems.split('|').any(|stem| {
            let whole = stem.strip_suffix(' ');
            self.0.iter().any(|word| match whole {
                Some(whole) => word == whole,
                None => word.starts_with(stem),
            })
        })
    }
}

impl Scene {
    pub(crate) fn of(prompt: &str, random: &mut fastrand::Rng) -> Self {
        let words = Words::of(prompt);
        if words.say("space|galax|planet|nebula|cosmos|universe|astronaut|mars |jupiter|saturn|orbit|comet|rocket|solar") {
            return Self::Space { planets: if words.say("planets|solar") { 4 } else { 1 } };
        }
        if words.say("cell|bacteri|mitosis|biology|microscop|virus|dna|organelle|mitochond|blood") {
            return Self::Cells;
        }
        if words.say("atom|electron|molecul|chemi|physics|nucle|proton|quantum|magnet") {
            return Self::Atom;
        }
        if words.say("geometr|triang|circle|square|polygon|math|fraction|angle|algebra|equation|shape|cube|pythagor") {
            return Self::Geometry;
        }
        if words.say("underwater|undersea|coral|fish|whale|dolphin|shark|octopus|reef|submarine") {
            return Self::Undersea;
        }
        Self::Landscape(Landscape::of(&words, random))
    }
}

impl Landscape {
    fn of(words: &Words, random: &mut fastrand::Rng) -> Self {
        let time = if words.say("sunset|dusk|evening|twilight|golden") {
            Time::Sunset
        } else if words.say("night|star|moon|midnight|aurora|dark") {
            Time::Night
        } else if words.say("dawn|sunrise|morning") {
            Time::Dawn
        } else if words.say("day|noon|sunny|summer|spring|bright") {
            Time::Day
        } else {
            [Time::Day, Time::Day, Time::Dawn, Time::Sunset][random.usize(..4)]
        };
        let weather = if words.say("fog|mist|haz|rain|autumn") {
            Weather::Foggy
        } else if words.say("cloud|storm|overcast|thunder|weather") {
            Weather::Cloudy
        } else if words.say("clear|sunny|desert") {
            Weather::Clear
        } else {
            [Weather::Clear, Weather::Cloudy, Weather::Cloudy][random.usize(..3)]
        };
        let volcano = words.say("volcan|lava|erupt");
        let mountains =
            volcano || words.say("mountain|alp|peak|hill|summit|cliff|glacier|valley|canyon");
        let pyramids = words.say("pyramid|egypt|pharao");
        let sand = pyramids || words.say("desert|dune|sahara|camel|sand");
        let winter = words.say("snow|winter|ice|arctic|antarctic|polar|penguin|frozen|christmas");
        let water = words
            .say("sea|ocean|lake|river|water|beach|coast|island|ship|boat|harbo|wave|pond|rain");
        let flowers =
            words.say("flower|rose|tulip|garden|bloom|butterfl|bee|spring|poppy|sunflower");
        let meadow =
            flowers || words.say("meadow|grass|field|farm|photosynth|leaf|leaves|ecosystem|nature|horse|cow|sheep|plant|park|village");
        let forest = words.say("forest|tree|wood|jungle|pine|deer|bear|wolf|fox|autumn|rainforest");
        let city = words.say("city|town|building|skyline|street|skyscraper|house|school|industr|factory|castle|rome|roman");
        let ground = if sand {
            Ground::Sand
        } else if winter {
            Ground::Snow
        } else if water || (city && !meadow) {
            Ground::Water
        } else if meadow {
            Ground::Meadow
        } else {
            [Ground::Water, Ground::Water, Ground::Meadow][random.usize(..3)]
        };
        let named = mountains || sand || winter || water || meadow || forest || city;
        let ridges = match (mountains, sand || city || (water && !forest)) {
            (true, _) => 4,
            (false, true) => 1,
            (false, false) => 2 + random.usize(..2),
        };
        Self {
            time,
            weather,
            ridges,
            snow: winter || (mountains && !volcano),
            volcano,
            forest: forest || (!named && random.bool()),
            city,
            pyramids,
            birds: words.say("bird|eagle|gull|seagull|swan|goose|geese|crow|migrat|flock")
                || random.u8(..4) == 0,
            ground,
            flowers,
            tint: tint(words),
        }
    }
}

fn tint(words: &Words) -> Option<crate::canvas::Color> {
    let colors = [
        ("red |crimson|scarlet", 0xff_5a_48),
        ("orange |amber", 0xff_a0_50),
        ("gold |golden|yellow", 0xff_d0_6a),
        ("green |emerald", 0x6a_e0_8a),
        ("blue |azure|turquoise", 0x5a_a0_ff),
        ("purple|violet|lavender", 0xa8_70_f0),
        ("pink |rosy", 0xff_8a_b8),
    ];
    let (_, rgb) = colors.iter().find(|(stems, _)| words.say(stems))?;
    Some(crate::canvas::hex(*rgb))
}
