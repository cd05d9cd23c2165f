//! What page and API can do with the rest of the program, by the configuration that runs now.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::watch;

use crate::admin::controls::Answer;
use crate::admin::controls::Controls;
use crate::admin::controls::Maildrop;
use crate::admin::controls::Payload;
use crate::admin::controls::Receiver;
use crate::admin::controls::Tested;
use crate::clock::Clock;
use crate::collect::Mailbox;
use crate::config::Config;
use crate::deliver;
use crate::deliver::Endpoint;
use crate::ident::EndpointName;
use crate::retention::OnServer;
use crate::spool::Spool;
use crate::spool::SpoolError;
use crate::spool::Spooled;

/// Payloads that are made at once: each is held in memory whole.
const PAYLOADS: usize = 2;

/// The rest of the program, as far as operators reach it.
#[derive(Debug)]
pub(super) struct Hands {
    config: watch::Receiver<Arc<Config>>,
    spool: Arc<dyn Spool>,
    clock: Clock,
    payloads: Arc<Semaphore>,
}

impl Hands {
    pub(super) fn new(config: watch::Receiver<Arc<Config>>, spool: Arc<dyn Spool>, clock: Clock) -> Hands {
        Hands { config, spool, clock, payloads: Arc::new(Semaphore::new(PAYLOADS)) }
    }

    fn now(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }
}

impl Controls for Hands {
    fn mailboxes(&self) -> Vec<Maildrop> {
        self.now().collect.mailboxes.iter().map(maildrop).collect()
    }

    fn endpoints(&self) -> Vec<Receiver> {
        self.now().deliver.endpoints.iter().map(receiver).collect()
    }

    fn test(&self, endpoint: &EndpointName) -> Answer<Option<Tested>> {
        let endpoint = self.now().deliver.endpoints.iter().find(|known| known.name == *endpoint).cloned();
        let clock = self.clock.clone();
        Box::pin(async move {
            let endpoint = endpoint?;
            Some(match deliver::test(&endpoint, &clock).await {
                Ok(ended) => tested(ended),
                Err(error) => {
                    let failure = Some(error.to_string());
                    Tested { taken: false, status: None, failure, remedy: None, answer: String::new() }
                }
            })
        })
    }

    fn payload(
        &self,
        message: &Spooled,
        endpoint: Option<&EndpointName>,
    ) -> Answer<Result<Option<Payload>, SpoolError>> {
        let (config, spool, payloads) = (self.now(), Arc::clone(&self.spool), Arc::clone(&self.payloads));
        let (message, endpoint) = (message.clone(), endpoint.cloned());
        Box::pin(async move {
            let _turn = payloads.acquire().await.map_err(|_| SpoolError::Closed)?;
            let rendered = deliver::render(&config.deliver, spool.as_ref(), &message, endpoint.as_ref()).await?;
            Ok(rendered.map(|rendered| Payload { content_type: rendered.content_type, body: rendered.body }))
        })
    }
}

fn maildrop(mailbox: &Mailbox) -> Maildrop {
    let on_server = match mailbox.retention.on_server {
        OnServer::Keep => "keep",
        OnServer::DeleteWhenDelivered => "delete_when_delivered",
        OnServer::DeleteWhenSpooled => "delete_when_spooled",
    };
    let server = format!("{}:{}", mailbox.server.host, mailbox.server.port);
    Maildrop { name: mailbox.name.clone(), server, poll_interval: mailbox.poll_interval, on_server }
}

/// The path of a URL may be a secret, as that of many chat services is.
fn receiver(endpoint: &Endpoint) -> Receiver {
    Receiver { name: endpoint.name.clone(), server: endpoint.url.origin().ascii_serialization() }
}

fn tested(ended: deliver::Tested) -> Tested {
    let remedy = ended.remedy().map(str::to_owned);
    match ended {
        deliver::Tested::Answered { status, body, .. } => {
            let taken = (200..300).contains(&status);
            Tested { taken, status: Some(status), failure: None, remedy, answer: body }
        }
        deliver::Tested::Failed(failure) => {
            Tested { taken: false, status: None, failure: Some(failure.to_string()), remedy, answer: String::new() }
        }
        deliver::Tested::Unsigned => {
            let failure = Some("not sent: no signing key is valid now".to_owned());
            Tested { taken: false, status: None, failure, remedy, answer: String::new() }
        }
    }
}
