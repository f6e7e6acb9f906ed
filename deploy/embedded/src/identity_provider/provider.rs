//! What all endpoints share.

use super::client::Client;
use super::grants::Grants;
use super::signer::Signer;

/// One identity provider.
pub(super) struct Provider {
    pub(super) issuer: String,
    pub(super) clients: Vec<Client>,
    pub(super) signer: Signer,
    pub(super) grants: Grants,
}

impl Provider {
    /// The client with this id.
    pub(super) fn client(&self, id: Option<&str>) -> Option<&Client> {
        self.clients.iter().find(|client| Some(&*client.id) == id)
    }
}
