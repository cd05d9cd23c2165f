//! Which mechanism is tried, and which one after it.
//!
//! Pure. A configured mechanism wins over what the server announces, because lists are wrong in both directions. `auto`
//! takes the strongest one that is announced. The promise: `auto` never takes APOP, whose MD5 falls to a forged
//! greeting (CVE-2007-1558), and in clear it sends no password to a server that announces SCRAM; a token is never sent
//! as a password, nor a password as a token.

use super::scram::Hash;
use crate::pop3::capability::Capabilities;
use crate::pop3::config::Auth;
use crate::pop3::config::Config;
use crate::pop3::config::Credential;
use crate::pop3::config::Tls;
use crate::pop3::error::NoMechanism;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism<'a> {
    /// USER and PASS (RFC 1939 section 7).
    User,
    /// APOP (RFC 1939 section 7), with the timestamp of the greeting.
    Apop { timestamp: &'a [u8] },
    /// AUTH (RFC 5034).
    Sasl(Sasl),
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sasl {
    /// RFC 4616.
    Plain,
    /// Never standardised, and the only one on some servers.
    Login,
    /// RFC 5802 and RFC 7677.
    Scram(Hash),
    /// What Google and Microsoft had before RFC 7628.
    XOAuth2,
    /// RFC 7628.
    OAuthBearer,
}

impl Sasl {
    /// The name behind AUTH and in CAPA.
    pub(super) fn name(self) -> &'static str {
        match self {
            Sasl::Plain => "PLAIN",
            Sasl::Login => "LOGIN",
            Sasl::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Sasl::Scram(Hash::Sha1) => "SCRAM-SHA-1",
            Sasl::XOAuth2 => "XOAUTH2",
            Sasl::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// What is tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    pub(super) first: Mechanism<'a>,
    /// For a server that turns out not to know what it announced, the strongest first.
    pub(super) others: Vec<Mechanism<'a>>,
}

/// Chooses by what is configured, what there is to prove, and what the server announced.
pub(super) fn choose<'a>(
    config: &Config,
    credential: &Credential,
    capabilities: &Capabilities,
    timestamp: Option<&'a [u8]>,
) -> Result<Choice<'a>, NoMechanism> {
    let announced = capabilities.sasl();
    let offered = |sasl: &Sasl| announced.iter().any(|name| name == sasl.name());
    let scram = [Sasl::Scram(Hash::Sha256), Sasl::Scram(Hash::Sha1)];
    let only = |first| Choice { first, others: Vec::new() };
    let sasl = |sasl| only(Mechanism::Sasl(sasl));
    let [sha256, sha1] = scram;
    let by_scram = match (offered(&sha256), offered(&sha1)) {
        (true, false) => sasl(sha256),
        (false, true) => sasl(sha1),
        (true, true) | (false, false) => in_turn([Mechanism::Sasl(sha256)], Mechanism::Sasl(sha1)),
    };

    match (config.auth, credential) {
        // Whoever listens must not hear the password because SCRAM failed once.
        (Auth::Auto, Credential::Password(_)) if config.tls == Tls::None && scram.iter().any(offered) => Ok(by_scram),
        (Auth::Auto, Credential::Password(_)) => {
            let strongest_first = scram.into_iter().chain([Sasl::Plain, Sasl::Login]).filter(offered);
            Ok(in_turn(strongest_first.map(Mechanism::Sasl), Mechanism::User))
        }
        // Some servers know XOAUTH2 and do not say so.
        (Auth::Auto, Credential::Token(_)) => {
            let strongest_first = [Sasl::OAuthBearer].into_iter().filter(offered);
            Ok(in_turn(strongest_first.map(Mechanism::Sasl), Mechanism::Sasl(Sasl::XOAuth2)))
        }
        (Auth::User, Credential::Password(_)) => Ok(only(Mechanism::User)),
        (Auth::Plain, Credential::Password(_)) => Ok(sasl(Sasl::Plain)),
        (Auth::Login, Credential::Password(_)) => Ok(sasl(Sasl::Login)),
        (Auth::Scram, Credential::Password(_)) => Ok(by_scram),
        (Auth::Apop, Credential::Password(_)) => {
            let timestamp = timestamp.ok_or(NoMechanism::NoTimestamp)?;
            Ok(only(Mechanism::Apop { timestamp }))
        }
        (Auth::XOAuth2, Credential::Token(_)) => Ok(sasl(Sasl::XOAuth2)),
        (Auth::OAuthBearer, Credential::Token(_)) => Ok(sasl(Sasl::OAuthBearer)),
        (Auth::XOAuth2 | Auth::OAuthBearer, Credential::Password(_)) => Err(NoMechanism::NeedsToken),
        (Auth::User | Auth::Plain | Auth::Login | Auth::Scram | Auth::Apop, Credential::Token(_)) => {
            Err(NoMechanism::NeedsPassword)
        }
    }
}

fn in_turn<'a>(preferred: impl IntoIterator<Item = Mechanism<'a>>, last: Mechanism<'a>) -> Choice<'a> {
    let mut preferred = preferred.into_iter();
    let Some(first) = preferred.next() else { return Choice { first: last, others: Vec::new() } };
    Choice { first, others: preferred.chain([last]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::config::Pipelining;
    use crate::pop3::config::Timeouts;
    use crate::secret::Secret;

    fn config(auth: Auth, tls: Tls) -> Config {
        Config {
            host: "h".to_owned(),
            port: 995,
            tls,
            ca_pem: None,
            username: "u".to_owned(),
            auth,
            pipelining: Pipelining::Off,
            capa: crate::pop3::Capa::Asked,
            timeouts: Timeouts::default(),
        }
    }

    fn check(auth: Auth, credential: &Credential, announced: &str, expected: Result<&[&str], NoMechanism>) {
        check_over(Tls::Implicit, auth, credential, announced, expected);
    }

    fn check_over(
        tls: Tls,
        auth: Auth,
        credential: &Credential,
        announced: &str,
        expected: Result<&[&str], NoMechanism>,
    ) {
        let capabilities = Capabilities::parse(format!("SASL {announced}\r\n").as_bytes());
        let chosen = choose(&config(auth, tls), credential, &capabilities, None).map(|Choice { first, others }| {
            let name = |mechanism| match mechanism {
                Mechanism::User => "USER",
                Mechanism::Apop { .. } => "APOP",
                Mechanism::Sasl(sasl) => sasl.name(),
            };
            [first].into_iter().chain(others).map(name).collect::<Vec<_>>()
        });
        assert_eq!(chosen, expected.map(<[&str]>::to_vec), "{tls:?} {auth:?} {announced}");
    }

    fn password() -> Credential {
        Credential::Password(Secret::new("p"))
    }

    fn token() -> Credential {
        Credential::Token(Secret::new("t"))
    }

    #[test]
    fn auto_takes_the_strongest_that_is_announced() {
        let all = "LOGIN PLAIN XOAUTH2 SCRAM-SHA-1 OAUTHBEARER SCRAM-SHA-256 SCRAM-SHA-256-PLUS CRAM-MD5";
        let in_turn = &["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "USER"];
        check(Auth::Auto, &password(), all, Ok(in_turn));
        check(Auth::Auto, &password(), "login plain", Ok(&["PLAIN", "LOGIN", "USER"]));
        check(Auth::Auto, &password(), "LOGIN", Ok(&["LOGIN", "USER"]));
        check(Auth::Auto, &password(), "XOAUTH2 OAUTHBEARER CRAM-MD5", Ok(&["USER"]));
        check(Auth::Auto, &password(), "", Ok(&["USER"]));
        check(Auth::Auto, &token(), all, Ok(&["OAUTHBEARER", "XOAUTH2"]));
        check(Auth::Auto, &token(), "PLAIN XOAUTH2", Ok(&["XOAUTH2"]));
        check(Auth::Auto, &token(), "PLAIN", Ok(&["XOAUTH2"]));
    }

    #[test]
    fn in_clear_a_password_is_sent_only_where_scram_is_not_announced() {
        let auto = |announced, expected| check_over(Tls::None, Auth::Auto, &password(), announced, Ok(expected));
        auto("PLAIN SCRAM-SHA-1 SCRAM-SHA-256", &["SCRAM-SHA-256", "SCRAM-SHA-1"]);
        auto("PLAIN SCRAM-SHA-1", &["SCRAM-SHA-1"]);
        auto("SCRAM-SHA-256", &["SCRAM-SHA-256"]);
        auto("LOGIN PLAIN", &["PLAIN", "LOGIN", "USER"]);
        auto("", &["USER"]);
    }

    #[test]
    fn what_is_configured_wins_over_what_is_announced() {
        for announced in ["", "PLAIN XOAUTH2"] {
            check(Auth::User, &password(), announced, Ok(&["USER"]));
            check(Auth::Plain, &password(), announced, Ok(&["PLAIN"]));
            check(Auth::Login, &password(), announced, Ok(&["LOGIN"]));
            check(Auth::Scram, &password(), announced, Ok(&["SCRAM-SHA-256", "SCRAM-SHA-1"]));
            check(Auth::XOAuth2, &token(), announced, Ok(&["XOAUTH2"]));
            check(Auth::OAuthBearer, &token(), announced, Ok(&["OAUTHBEARER"]));
        }
        check(Auth::Scram, &password(), "SCRAM-SHA-1 PLAIN", Ok(&["SCRAM-SHA-1"]));
        check(Auth::Scram, &password(), "SCRAM-SHA-256 PLAIN", Ok(&["SCRAM-SHA-256"]));
    }

    #[test]
    fn a_password_is_no_token_and_a_token_no_password() {
        for auth in [Auth::User, Auth::Plain, Auth::Login, Auth::Scram, Auth::Apop] {
            check(auth, &token(), "", Err(NoMechanism::NeedsPassword));
        }
        for auth in [Auth::XOAuth2, Auth::OAuthBearer] {
            check(auth, &password(), "", Err(NoMechanism::NeedsToken));
        }
    }

    #[test]
    fn apop_needs_a_timestamp_and_is_never_chosen_by_itself() {
        let none = Capabilities::default();
        let timestamp = Some(&b"<1@host>"[..]);
        let apop = Mechanism::Apop { timestamp: b"<1@host>" };
        let chosen = choose(&config(Auth::Apop, Tls::Implicit), &password(), &none, timestamp);
        assert_eq!(chosen, Ok(Choice { first: apop, others: Vec::new() }));
        let user = Choice { first: Mechanism::User, others: Vec::new() };
        assert_eq!(choose(&config(Auth::Auto, Tls::Implicit), &password(), &none, timestamp), Ok(user));
        check(Auth::Apop, &password(), "", Err(NoMechanism::NoTimestamp));
    }
}
