//! The way into a maildrop: connect, and log in with a credential that is good now.

use std::sync::Arc;

use super::Mailbox;
use super::VisitError;
use super::means::Memory;
use crate::crash;
use crate::pop3;
use crate::pop3::Capa;
use crate::pop3::Pop3Error;
use crate::pop3::Transaction;
use crate::secret::Secret;
use crate::secret::Source;
use crate::secret::Unavailable;

/// Where a mailbox's credential comes from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A password, which stays as it is.
    Password(Secret),
    /// An access token that is ready, and stays as it is.
    Ready(Secret),
    /// Access tokens, which run out: each login asks for one.
    Token(Arc<dyn Source>),
}

impl PartialEq for Credential {
    /// Two sources are the same if they are one.
    fn eq(&self, other: &Credential) -> bool {
        match (self, other) {
            (Credential::Password(one), Credential::Password(other))
            | (Credential::Ready(one), Credential::Ready(other)) => one == other,
            (Credential::Token(one), Credential::Token(other)) => Arc::ptr_eq(one, other),
            (Credential::Password(_) | Credential::Ready(_) | Credential::Token(_), _) => false,
        }
    }
}

impl Credential {
    async fn now(&self) -> Result<pop3::Credential, Unavailable> {
        match self {
            Credential::Password(password) => Ok(pop3::Credential::Password(password.clone())),
            Credential::Ready(token) => Ok(pop3::Credential::Token(token.clone())),
            Credential::Token(source) => source.current().await.map(pop3::Credential::Token),
        }
    }

    /// Another token than the one that was refused; `None` if there is none, or it is a password.
    async fn another(&self, refused: &pop3::Credential) -> Result<Option<pop3::Credential>, Unavailable> {
        let (Credential::Token(source), pop3::Credential::Token(refused)) = (self, refused) else { return Ok(None) };
        source.refused(refused);
        let token = source.current().await?;
        Ok((token != *refused).then_some(pop3::Credential::Token(token)))
    }
}

/// Connects to the server of `mailbox` and logs in.
///
/// A token may lose its worth before its time, so after a refusal one other is tried, and only one.
///
/// # Errors
/// There is no credential now, or the server or the way to it fails.
pub async fn log_in(mailbox: &Mailbox) -> Result<Transaction, VisitError> {
    enter(mailbox, &mut Memory::default()).await
}

/// The same for a visit, which remembers what the server said of itself.
pub(super) async fn enter(mailbox: &Mailbox, memory: &mut Memory) -> Result<Transaction, VisitError> {
    // Before the connection: a server does not wait for a token.
    let credential = mailbox.credential.now().await?;
    let refusal = match try_once(mailbox, &credential, memory).await {
        Err(refusal) if refusal.is_login_refused() => refusal,
        ended => return Ok(ended?),
    };
    let Some(another) = mailbox.credential.another(&credential).await? else { return Err(refusal.into()) };
    Ok(try_once(mailbox, &another, memory).await?)
}

async fn try_once(
    mailbox: &Mailbox,
    credential: &pop3::Credential,
    memory: &mut Memory,
) -> Result<Transaction, Pop3Error> {
    crash::point!("before connect");
    let opened = pop3::connect(&mailbox.server).await?;
    crash::point!("after connect");
    memory.login_delay = opened.capabilities().login_delay().or(memory.login_delay);
    let session = opened.login(credential).await?;
    crash::point!("after login");
    memory.login_delay = session.capabilities().login_delay();
    memory.closes_on_capa = session.capa() == Capa::LeftOut;
    memory.answers_capa = session.capabilities().lines().next().is_some();
    Ok(session)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Mutex;

    use super::*;
    use crate::collect::RESULTS;

    /// Gives these tokens, the last one first; what is refused goes, but for the only one that is left.
    #[derive(Debug)]
    struct Tokens(Mutex<Vec<Secret>>);

    impl Source for Tokens {
        fn current(&self) -> Pin<Box<dyn Future<Output = Result<Secret, Unavailable>> + Send + '_>> {
            let last = self.0.lock().unwrap().last().cloned();
            Box::pin(std::future::ready(last.ok_or(Unavailable::ForNow("none is left".to_owned()))))
        }

        fn refused(&self, secret: &Secret) {
            let mut tokens = self.0.lock().unwrap();
            if tokens.len() > 1 {
                tokens.retain(|token| token != secret);
            }
        }
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_had_is_told() {
        for away in [Unavailable::ForNow, Unavailable::UntilHelped] {
            let credential = Credential::Token(Arc::new(away("the authority is away".to_owned())));
            let error = VisitError::from(credential.now().await.unwrap_err());
            assert_eq!(error.explain(), "no access token: the authority is away");
            assert!(RESULTS.contains(&error.result()));
        }
    }

    #[tokio::test]
    async fn another_credential_is_tried_only_if_it_is_another() {
        let check = async |credential: Credential, expected: Option<&str>| {
            let refused = credential.now().await.unwrap();
            let another = credential.another(&refused).await.unwrap();
            let token = another.map(|credential| match credential {
                pop3::Credential::Token(token) => token,
                pop3::Credential::Password(_) => panic!("a password is tried again"),
            });
            assert_eq!(token.as_ref().map(Secret::reveal), expected);
        };
        let tokens = |tokens: &[&str]| Tokens(Mutex::new(tokens.iter().map(|&token| Secret::new(token)).collect()));
        check(Credential::Password(Secret::new("p")), None).await;
        check(Credential::Ready(Secret::new("ready")), None).await;
        check(Credential::Token(Arc::new(tokens(&["only"]))), None).await;
        check(Credential::Token(Arc::new(tokens(&["newer", "older"]))), Some("newer")).await;
    }
}
