//! One connection of a client, with one of its own to the server.

use std::io;
use std::sync::Arc;

use mongodb::bson::{Document, doc};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::order::Fault;
use crate::rollback::Undo;
use crate::state::State;
use crate::wire::{Command, Message};

/// Passes messages on until either side closes, or a fault does.
pub(crate) async fn serve(mut client: TcpStream, state: Arc<State>) -> io::Result<()> {
    let mut server = TcpStream::connect(&state.upstream).await?;
    server.set_nodelay(true)?;
    loop {
        let request = Message::read(&mut client).await?;
        let command = request.command()?;
        let fault = match &command {
            Some(command) => {
                state.meet(command);
                state
                    .settle_before(command)
                    .await
                    .map_err(io::Error::other)?;
                state.fault_for(command.name())
            }
            None => None,
        };
        match (fault, command) {
            (Some(fault), Some(command)) => {
                let answer = strike(fault, &request, &command, &mut server, &state).await?;
                state.struck();
                match answer {
                    Some(answer) => client.write_all(&answer.0).await?,
                    None => return Ok(()),
                }
            }
            _ => pass(&request, &mut server, &mut client).await?,
        }
    }
}

/// Passes a request on, and its answers back.
async fn pass(request: &Message, server: &mut TcpStream, client: &mut TcpStream) -> io::Result<()> {
    server.write_all(&request.0).await?;
    let mut more = !request.has_more_to_come();
    while more {
        let answer = Message::read(server).await?;
        more = answer.has_more_to_come();
        client.write_all(&answer.0).await?;
    }
    Ok(())
}

/// The answer of a command that a fault strikes; `None` where the connection is closed instead.
async fn strike(
    fault: Fault,
    request: &Message,
    command: &Command,
    server: &mut TcpStream,
    state: &State,
) -> io::Result<Option<Message>> {
    if let Fault::Closed = fault {
        return Ok(None);
    }
    if let Fault::Refused(code) = fault {
        return Ok(Some(request.answer(&error(command, code))));
    }
    let mut undo = match fault {
        Fault::RolledBack(_) => Undo::before(&state.client, command)
            .await
            .map_err(io::Error::other)?,
        _ => Vec::new(),
    };
    server.write_all(&request.0).await?;
    let answer = Message::read(server).await?;
    for undo in &mut undo {
        undo.done(&state.client).await.map_err(io::Error::other)?;
    }
    state.roll_back_later(undo).await;
    match fault {
        Fault::Interrupted(code) => Ok(Some(request.answer(&error(command, code)))),
        Fault::Unconfirmed(code) | Fault::RolledBack(code) => {
            let mut body = answer.command()?.map(|it| it.body).unwrap_or_default();
            body.insert("writeConcernError", concern(code));
            Ok(Some(request.answer(&body)))
        }
        Fault::ReplySlow(wait) => {
            tokio::time::sleep(wait).await;
            Ok(Some(answer))
        }
        Fault::ReplyLost | Fault::Refused(_) | Fault::Closed => Ok(None),
    }
}

/// An error of the command; a taken id is one of a document of an `insert`.
fn error(command: &Command, code: i32) -> Document {
    let errmsg = "ordered by a test";
    match (command.name(), code) {
        ("insert", 11000) => doc! {
            "ok": 1.0, "n": 0,
            "writeErrors": [{ "index": 0, "code": code, "errmsg": errmsg }],
        },
        _ => doc! { "ok": 0.0, "code": code, "codeName": "Ordered", "errmsg": errmsg },
    }
}

fn concern(code: i32) -> Document {
    doc! {
        "code": code,
        "codeName": "Ordered",
        "errmsg": "waiting for replication, as a test ordered",
    }
}
