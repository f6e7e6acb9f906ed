//! MongoDB's wire protocol, as far as a proxy needs it: whole messages, and what an `OP_MSG` says.

use std::io;

use mongodb::bson::{Document, doc};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The length of a message's header: its length, id, whose answer it is, and its operation.
const HEADER: usize = 16;

/// The operation `OP_MSG`.
const OP_MSG: i32 = 2013;

/// The longest message that a server takes.
const LONGEST: usize = 48_000_000;

/// More messages follow without a request.
const MORE_TO_COME: u32 = 1 << 1;

/// A message, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Message(pub(crate) Vec<u8>);

/// What an `OP_MSG` says.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) body: Document,
    /// The documents of an `insert`, the statements of an `update` or `delete`.
    pub(crate) sequence: Vec<Document>,
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Message {
    /// The next message of a connection.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length).await?;
        let whole = usize::try_from(i32::from_le_bytes(length)).map_err(invalid)?;
        if !(HEADER..=LONGEST).contains(&whole) {
            return Err(invalid("no message has this length"));
        }
        let mut bytes = length.to_vec();
        bytes.resize(whole, 0);
        from.read_exact(&mut bytes[4..]).await?;
        Ok(Self(bytes))
    }

    fn number(&self, at: usize) -> i32 {
        let bytes = self.0[at..at + 4].try_into().expect("four bytes");
        i32::from_le_bytes(bytes)
    }

    fn id(&self) -> i32 {
        self.number(4)
    }

    fn flags(&self) -> u32 {
        match self.number(12) {
            OP_MSG if self.0.len() >= HEADER + 4 => self.number(HEADER) as u32,
            _ => 0,
        }
    }

    /// Whether no answer to a request follows, or another message to an answer.
    pub(crate) fn has_more_to_come(&self) -> bool {
        self.flags() & MORE_TO_COME != 0
    }

    /// What it says, if it is an `OP_MSG`.
    pub(crate) fn command(&self) -> io::Result<Option<Command>> {
        if self.number(12) != OP_MSG {
            return Ok(None);
        }
        let mut rest = self.0.get(HEADER + 4..).unwrap_or_default();
        let (mut body, mut sequence) = (None, Vec::new());
        while let [kind, section @ ..] = rest {
            rest = section;
            match kind {
                0 => body = Some(Document::from_reader(&mut rest).map_err(invalid)?),
                1 => sequence.extend(read_sequence(&mut rest)?),
                _ => return Err(invalid("a section of an unknown kind")),
            }
        }
        let body = body.ok_or_else(|| invalid("a message without a body"))?;
        Ok(Some(Command { body, sequence }))
    }

    /// An answer to this message.
    pub(crate) fn answer(&self, body: &Document) -> Self {
        let mut bytes = vec![0; 8];
        bytes.extend(self.id().to_le_bytes());
        bytes.extend(OP_MSG.to_le_bytes());
        bytes.extend([0; 5]);
        bytes.extend(body.to_vec().expect("an answer has a BSON form"));
        let length = i32::try_from(bytes.len()).expect("an answer is short");
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        Self(bytes)
    }
}

/// Reads the documents of a section of kind 1: its length, its name, then they.
fn read_sequence(rest: &mut &[u8]) -> io::Result<Vec<Document>> {
    let length = rest.first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
    let length = usize::try_from(length.unwrap_or_default()).map_err(invalid)?;
    let section = rest
        .get(4..length)
        .ok_or_else(|| invalid("a short section"))?;
    *rest = &rest[length..];
    let name = section.iter().position(|byte| *byte == 0);
    let mut documents = &section[name.map_or(section.len(), |end| end + 1)..];
    let mut all = Vec::new();
    while !documents.is_empty() {
        all.push(Document::from_reader(&mut documents).map_err(invalid)?);
    }
    Ok(all)
}

impl Command {
    /// What it is: `insert`, `find`, `hello`, …
    pub(crate) fn name(&self) -> &str {
        self.body.keys().next().map_or("", String::as_str)
    }

    /// The collection that it is about, with its database.
    pub(crate) fn namespace(&self) -> Option<(&str, &str)> {
        let database = self.body.get_str("$db").ok()?;
        Some((database, self.body.get_str(self.name()).ok()?))
    }

    /// Whether it asks for what a majority has.
    pub(crate) fn is_of_majority(&self) -> bool {
        let concern = self.body.get_document("readConcern");
        concern.is_ok_and(|concern| {
            concern
                .get_str("level")
                .is_ok_and(|level| level == "majority")
        })
    }

    /// What finds the documents that it changes.
    pub(crate) fn filters(&self) -> Vec<Document> {
        let inner = |of: &Document| of.get_document("q").ok().cloned();
        match self.name() {
            "insert" => {
                let ids = self.sequence.iter().filter_map(|it| it.get("_id"));
                ids.map(|id| doc! { "_id": id.clone() }).collect()
            }
            "update" | "delete" => self.sequence.iter().filter_map(inner).collect(),
            "findAndModify" => self
                .body
                .get_document("query")
                .ok()
                .cloned()
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}
