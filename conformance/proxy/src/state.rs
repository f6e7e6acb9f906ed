//! What all connections of a proxy share.

use std::sync::{Mutex, PoisonError};

use mongodb::Client;
use mongodb::bson::Document;
use mongodb::error::Result;
use tokio::sync::watch;

use crate::order::{Fault, Kind, Order};
use crate::rollback::Undo;
use crate::wire::Command;

/// The server, and the orders.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) upstream: String,
    /// Looks at documents, and undoes writes, past all orders.
    pub(crate) client: Client,
    orders: Mutex<Vec<Order>>,
    undo: tokio::sync::Mutex<Vec<Undo>>,
    struck: watch::Sender<u32>,
    met: Mutex<Vec<Document>>,
}

impl State {
    pub(crate) fn new(upstream: String, client: Client) -> Self {
        Self {
            upstream,
            client,
            orders: Mutex::default(),
            undo: tokio::sync::Mutex::default(),
            struck: watch::Sender::new(0),
            met: Mutex::default(),
        }
    }

    pub(crate) fn order(&self, order: Order) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.push(order);
    }

    pub(crate) fn clear(&self) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.clear();
    }

    /// The fault that this command meets.
    pub(crate) fn fault_for(&self, command: &str) -> Option<Fault> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |order: &mut Order| order.times > 0 && order.kind.has(command);
        let order = orders
            .iter_mut()
            .find_map(|order| fits(order).then_some(order))?;
        order.times -= 1;
        Some(order.fault)
    }

    /// Notes writes that the next primary has not seen.
    pub(crate) async fn roll_back_later(&self, undo: Vec<Undo>) {
        self.undo.lock().await.extend(undo);
    }

    /// The failover is over before the next write, or the next read of what a majority has.
    pub(crate) async fn settle_before(&self, command: &Command) -> Result<()> {
        if !Kind::Write.has(command.name()) && !command.is_of_majority() {
            return Ok(());
        }
        for undo in self.undo.lock().await.drain(..) {
            undo.roll_back(&self.client).await?;
        }
        Ok(())
    }

    /// Notes a command that reads or changes documents.
    pub(crate) fn meet(&self, command: &Command) {
        if Kind::Any.has(command.name()) {
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            met.push(command.body.clone());
        }
    }

    pub(crate) fn take_met(&self) -> Vec<Document> {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut met)
    }

    pub(crate) fn struck(&self) {
        self.struck.send_modify(|count| *count += 1);
    }

    pub(crate) fn strikes(&self) -> watch::Receiver<u32> {
        self.struck.subscribe()
    }
}
