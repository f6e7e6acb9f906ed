//! Bad bytes: valid inputs, mutated, so that they get deep; and runs that hold a property against
//! many of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// How many cases each target runs, in place of its short run.
pub const CASES: &str = "BAD_BYTES_CASES";

/// Where the cases come from: another number, other cases. The same number, the same cases.
pub const SEED: &str = "BAD_BYTES_SEED";

/// One place that bytes come in by.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name in the report.
    pub name: &'static str,
    /// Cases of a run where [`CASES`] is not set.
    pub short_run: u32,
    /// Cases that the property is given at a time.
    pub batch: u32,
}

impl Target {
    /// Holds `property` against inputs, and prints how many cases came to which outcome. The
    /// property names the outcome of each case that it is given.
    ///
    /// # Panics
    /// It does not hold; the words end with the smallest input that shows it.
    pub fn hold<S: Strategy>(
        &self,
        inputs: &S,
        property: impl Fn(S::Value) -> Result<Vec<&'static str>, TestCaseError>,
    ) {
        let start = Instant::now();
        let seed = number(SEED).unwrap_or(1);
        let cases = number(CASES).unwrap_or(self.short_run.into());
        let outcomes = RefCell::new(BTreeMap::<&str, u64>::new());
        let mut runner = TestRunner::new(Config {
            cases: u32::try_from(cases.div_ceil(self.batch.into())).unwrap_or(u32::MAX),
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        });
        let held = runner.run(inputs, |input| {
            let mut outcomes = outcomes.borrow_mut();
            for outcome in property(input)? {
                *outcomes.entry(outcome).or_default() += 1;
            }
            Ok(())
        });
        let outcomes = outcomes.into_inner();
        let words: Vec<_> = outcomes
            .iter()
            .map(|(outcome, count)| format!("{outcome} {count}"))
            .collect();
        // The test runner keeps what a passing test prints to itself; this is to be seen.
        let _ = writeln!(
            std::io::stderr(),
            "{}: {} cases of seed {seed} in {:.1} s: {}",
            self.name,
            outcomes.values().sum::<u64>(),
            start.elapsed().as_secs_f64(),
            words.join(", ")
        );
        match held {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => {
                panic!(
                    "{}, {SEED}={seed}: {why}; the smallest input: {input:?}",
                    self.name
                )
            }
            Err(error) => panic!("{}, {SEED}={seed}: {error}", self.name),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// Numbers at the edges of their types.
const EDGES: [u32; 12] = [
    0,
    1,
    2,
    0xff,
    0x100,
    0xffff,
    0x0001_0000,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
];

/// What readers of text stumble over.
const WORDS: [&[u8]; 46] = [
    b"\0",
    b" ",
    b"\n",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{3000}".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{1f469}\u{200d}\u{1f467}".as_bytes(),
    "\u{ff11}".as_bytes(),
    b"\\u0000",
    b"\\ud800",
    b"\\ud83d\\ude00",
    b"\\",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b",",
    b":",
    b"/",
    b"../",
    b"%",
    b"%00",
    b"%zz",
    b"%+f",
    b"+",
    b"-",
    b"-1",
    b"0x10",
    b"1e999",
    b"-0.0",
    b"NaN",
    b"18446744073709551616",
    b"9223372036854775808",
    b"null",
    b"true",
    b"<script>",
];

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// Repeats this number of bytes this number of times.
    Repeat(Index, usize, usize),
    /// Copies this number of bytes of the other place, in the same input or another, to this one.
    Splice(Index, Index, Index, usize),
    CutOff(Index),
    /// Writes a number over what is there: a length that lies.
    Number(Index, [u8; 4]),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    let length = || prop_oneof![4 => 1..8_usize, 1 => 8..200_usize];
    let edge = (select(&EDGES[..]), any::<bool>()).prop_map(|(number, big_end_first)| {
        if big_end_first {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    });
    prop_oneof![
        4 => (place(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        2 => (place(), length()).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (place(), select(&WORDS[..]).prop_map(<[u8]>::to_vec))
            .prop_map(|(at, word)| Mutation::Insert(at, word)),
        1 => (place(), vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (place(), length(), 1..40_usize)
            .prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        2 => (place(), place(), place(), length())
            .prop_map(|(at, of, from, length)| Mutation::Splice(at, of, from, length)),
        1 => place().prop_map(Mutation::CutOff),
        2 => (place(), edge).prop_map(|(at, number)| Mutation::Number(at, number)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        // The end is a place too, for what is put in.
        let gap = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        let range = |at: &Index, length: usize, bytes: &[u8]| {
            let from = gap(at, bytes);
            from..bytes.len().min(from + length)
        };
        match self {
            Self::Flip(at, bit) => {
                let at = gap(at, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Set(at, value) => {
                let at = gap(at, bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = *value;
                }
            }
            Self::Remove(at, length) => drop(bytes.drain(range(at, *length, bytes))),
            Self::Insert(at, new) => {
                let at = gap(at, bytes);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(at, length, times) => {
                let range = range(at, *length, bytes);
                let new = bytes[range.clone()].repeat(*times);
                bytes.splice(range.end..range.end, new);
            }
            Self::Splice(at, of, from, length) => {
                let other = &corpus[of.index(corpus.len())];
                let new = other[range(from, *length, other)].to_vec();
                let at = range(at, *length, bytes);
                bytes.splice(at, new);
            }
            Self::CutOff(at) => bytes.truncate(gap(at, bytes)),
            Self::Number(at, number) => {
                let range = range(at, number.len(), bytes);
                let length = range.len();
                bytes[range].copy_from_slice(&number[..length]);
            }
        }
    }
}

/// Some changes to some bytes.
#[derive(Clone, Debug)]
pub struct Mutations(Vec<Mutation>);

impl Mutations {
    /// From none to `most`.
    pub fn up_to(most: usize) -> impl Strategy<Value = Self> {
        vec(mutation(), 0..=most).prop_map(Self)
    }

    /// `bytes` after them; pieces of `corpus` may get into it.
    ///
    /// # Panics
    /// `corpus` is empty.
    pub fn applied(&self, bytes: &[u8], corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for mutation in &self.0 {
            mutation.apply(&mut bytes, corpus);
        }
        bytes
    }
}

/// Inputs of `corpus`, each with up to six mutations.
///
/// # Panics
/// `corpus` is empty.
pub fn mutated<B: Into<Vec<u8>>>(
    corpus: impl IntoIterator<Item = B>,
) -> impl Strategy<Value = Vec<u8>> {
    let corpus: Vec<Vec<u8>> = corpus.into_iter().map(Into::into).collect();
    (any::<Index>(), Mutations::up_to(6)).prop_map(move |(which, mutations)| {
        mutations.applied(&corpus[which.index(corpus.len())], &corpus)
    })
}

/// As [`mutated`]; what is no UTF-8 any more becomes U+FFFD.
///
/// # Panics
/// `corpus` is empty.
pub fn mutated_text<B: Into<Vec<u8>>>(
    corpus: impl IntoIterator<Item = B>,
) -> impl Strategy<Value = String> {
    mutated(corpus).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
