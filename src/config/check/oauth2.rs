//! A mailbox's way to access tokens: which grant it is, and whether it has what that needs.

use reqwest::Url;

use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::OAuth2;
use crate::config::list::List;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::Plain;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::config::secret::resolve_text;
use crate::oauth::Client;
use crate::oauth::Grant;
use crate::oauth::Provider;
use crate::oauth::ServiceAccount;
use crate::oauth::ServiceKey;
use crate::secret::Secret;

/// Microsoft's directory where none is named: whichever the person who logs in belongs to.
const TENANT: &str = "common";

/// What the block comes to.
pub(super) enum Access {
    Ready(Secret),
    Granted(Box<Grant>),
}

/// The ways to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Token,
    Command,
    ServiceAccount,
    ClientCredentials,
    Refresh,
}

impl Way {
    /// The key that chooses it.
    fn key(self) -> &'static str {
        match self {
            Way::Token => "token",
            Way::Command => "command",
            Way::ServiceAccount => "service_account",
            Way::ClientCredentials => "grant",
            Way::Refresh => "client_id",
        }
    }

    /// The keys that mean something to it.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Way::Token => &["token"],
            Way::Command => &["command"],
            Way::ServiceAccount => &["service_account", "provider", "token_url", "scope"],
            Way::ClientCredentials => {
                &["grant", "provider", "tenant", "token_url", "scope", "client_id", "client_secret"]
            }
            Way::Refresh => &[
                "provider",
                "tenant",
                "token_url",
                "device_url",
                "scope",
                "client_id",
                "client_secret",
                "refresh_token",
            ],
        }
    }
}

/// Every key, and whether it is written.
fn written(oauth2: &OAuth2) -> [(&'static str, bool); 12] {
    [
        ("provider", oauth2.provider.is_some()),
        ("tenant", oauth2.tenant.is_some()),
        ("token_url", oauth2.token_url.is_some()),
        ("device_url", oauth2.device_url.is_some()),
        ("scope", oauth2.scope.is_some()),
        ("client_id", oauth2.client_id.is_some()),
        ("client_secret", oauth2.client_secret.is_some()),
        ("refresh_token", oauth2.refresh_token.is_some()),
        ("grant", oauth2.grant.is_some()),
        ("service_account", oauth2.service_account.is_some()),
        ("command", oauth2.command.is_some()),
        ("token", oauth2.token.is_some()),
    ]
}

/// Which way the keys that are written lead.
fn way(is_written: impl Fn(&str) -> bool) -> Option<Way> {
    let chosen = [Way::Token, Way::Command, Way::ServiceAccount, Way::ClientCredentials];
    let chosen = chosen.into_iter().find(|way| is_written(way.key()));
    chosen.or_else(|| Way::Refresh.keys().iter().any(|key| is_written(key)).then_some(Way::Refresh))
}

pub(super) fn check(
    oauth2: &OAuth2,
    username: Option<&str>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<Access> {
    let written = written(oauth2);
    // What stands there and could not be read chooses the way all the same.
    let is_written =
        |key: &str| written.iter().any(|(name, written)| *name == key && (*written || report.has(&path.key(key))));
    let Some(way) = way(is_written) else {
        let remedy =
            "write provider and client_id, then run `pophook oauth login`; or service_account, command or token";
        report.add(path, format!("leads to no access token; {remedy}"));
        return None;
    };
    for (key, _) in written.iter().filter(|(key, written)| *written && !way.keys().contains(key)) {
        report.add(&path.key(key), format!("has no effect beside {}; take one of them out", way.key()));
    }
    let mut block = Block { oauth2, path, outside, report };
    match way {
        Way::Token => block.secret(&oauth2.token, "token").map(Access::Ready),
        Way::Command => block.command().map(|words| granted(Grant::Command(words))),
        Way::ServiceAccount => block.service_account(username).map(granted),
        Way::ClientCredentials => block.client_credentials().map(granted),
        Way::Refresh => block.refresh(username).map(granted),
    }
}

fn granted(grant: Grant) -> Access {
    Access::Granted(Box::new(grant))
}

/// One block under way.
struct Block<'a> {
    oauth2: &'a OAuth2,
    path: &'a Path,
    outside: &'a dyn Outside,
    report: &'a mut Report,
}

impl Block<'_> {
    fn provider(&self) -> Option<Provider> {
        self.oauth2.provider.map(|Plain(provider)| provider)
    }

    fn secret(&mut self, source: &Option<Source>, key: &str) -> Option<Secret> {
        noted(resolve(source.as_ref()?, self.outside), &self.path.key(key), self.report)
    }

    fn command(&mut self) -> Option<Vec<String>> {
        if self.oauth2.command.as_ref().is_some_and(List::is_empty) {
            self.report.add(&self.path.key("command"), "has no program; write [PROGRAM, ARGUMENT]");
        }
        let words: Vec<String> = items(&self.oauth2.command).map(|(_, word)| word.clone()).collect();
        (!words.is_empty()).then_some(words)
    }

    fn service_account(&mut self, username: Option<&str>) -> Option<Grant> {
        let key_path = self.path.key("service_account");
        if self.provider() == Some(Provider::Microsoft) {
            self.report.add(&key_path, "is Google's; for Microsoft write grant: client_credentials");
        }
        let text = self.oauth2.service_account.as_ref().map(|source| resolve_text(source, self.outside));
        let text = text.and_then(|text| noted(text, &key_path, self.report));
        let key = text.and_then(|text| {
            let key = ServiceKey::parse(text.reveal());
            noted(key.ok_or("is no JSON key of a service account; make a new one at Google"), &key_path, self.report)
        });
        let token_url = self.token_url(TENANT);
        let preset = self.provider().map(Provider::scope);
        let scope = match self.oauth2.scope.as_deref().or(preset) {
            None => {
                let remedy = "write what tokens are asked for, such as https://mail.google.com/";
                self.report.missing(&self.path.key("scope"), remedy);
                None
            }
            scope => scope,
        };
        Some(Grant::ServiceAccount(ServiceAccount {
            token_url: token_url?,
            scope: scope?.to_owned(),
            key: key?,
            subject: Secret::new(username?),
        }))
    }

    fn client_credentials(&mut self) -> Option<Grant> {
        let provider = self.provider();
        if provider == Some(Provider::Google) && self.oauth2.grant.is_some() {
            self.report.add(&self.path.key("grant"), "is not for mail at Google; write service_account instead");
        }
        if provider == Some(Provider::Microsoft) && self.oauth2.tenant.is_none() {
            self.report.missing(&self.path.key("tenant"), "write the directory's name or id");
        }
        let client = self.client(provider.and_then(Provider::app_scope), None);
        if self.oauth2.client_secret.is_none() {
            self.report.missing(&self.path.key("client_secret"), "write { file: PATH }, say, with the client's secret");
        }
        client.map(Grant::ClientCredentials)
    }

    fn refresh(&mut self, username: Option<&str>) -> Option<Grant> {
        let provider = self.provider();
        let device_url = self.device_url();
        let client = self.client(provider.map(Provider::scope), device_url);
        let token_path = self.path.key("refresh_token");
        // A provider that could not be read may have filled device_url in.
        let has_device = self.oauth2.device_url.is_some() || provider.is_some();
        if self.oauth2.refresh_token.is_none() && !has_device && !self.report.has(&self.path.key("provider")) {
            self.report.missing(&token_path, "write it, or device_url, where `pophook oauth login` can get one");
        }
        let refresh_token = self.secret(&self.oauth2.refresh_token, "refresh_token");
        Some(Grant::Refresh { client: client?, username: Secret::new(username?), refresh_token })
    }

    fn client(&mut self, preset_scope: Option<&str>, device_url: Option<Url>) -> Option<Client> {
        let tenant = self.tenant();
        let token_url = self.token_url(&tenant);
        let id_path = self.path.key("client_id");
        let id = required(&self.oauth2.client_id, &id_path, "write the client's identifier", self.report);
        let secret = self.secret(&self.oauth2.client_secret, "client_secret");
        let scope = self.oauth2.scope.as_deref().or(preset_scope);
        Some(Client { token_url: token_url?, device_url, scope: scope.map(str::to_owned), id: id?.to_owned(), secret })
    }

    /// The directory; what is wrong with it is noted.
    fn tenant(&mut self) -> String {
        let Some(tenant) = self.oauth2.tenant.as_deref() else { return TENANT.to_owned() };
        let path = self.path.key("tenant");
        if self.provider() != Some(Provider::Microsoft) && !self.report.has(&self.path.key("provider")) {
            self.report.add(&path, "has no effect without provider: microsoft; take it out");
        }
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if tenant.is_empty() || !tenant.chars().all(is_legal) {
            self.report.add(&path, "is no directory; write its name, such as example.com, or its id");
        }
        tenant.to_owned()
    }

    fn token_url(&mut self, tenant: &str) -> Option<Url> {
        let path = self.path.key("token_url");
        match (&self.oauth2.token_url, self.provider()) {
            (Some(text), _) => noted(url(text), &path, self.report),
            (None, Some(provider)) => Url::parse(&provider.token_url(tenant)).ok(),
            (None, None) if self.report.has(&self.path.key("provider")) => None,
            (None, None) => {
                let remedy = "write provider: google or microsoft, or where tokens are asked for";
                self.report.missing(&path, remedy);
                None
            }
        }
    }

    fn device_url(&mut self) -> Option<Url> {
        let tenant = self.oauth2.tenant.as_deref().unwrap_or(TENANT);
        match (&self.oauth2.device_url, self.provider()) {
            (Some(text), _) => noted(url(text), &self.path.key("device_url"), self.report),
            (None, provider) => Url::parse(&provider?.device_url(tenant)).ok(),
        }
    }
}

// The texts never repeat the URL: it may carry a password.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("is no URL ({e}); write one such as https://example.com/token"))?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
        return Err("would carry secrets in clear; write a URL that starts with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password; write them as client_id and client_secret".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_token_follows_from_what_is_written() {
        let check =
            |keys: &[&str], expected: Option<Way>| assert_eq!(way(|key| keys.contains(&key)), expected, "{keys:?}");
        check(&[], None);
        check(&["token"], Some(Way::Token));
        check(&["client_id", "command"], Some(Way::Command));
        check(&["service_account", "provider"], Some(Way::ServiceAccount));
        check(&["grant", "client_id", "client_secret"], Some(Way::ClientCredentials));
        check(&["client_id", "refresh_token"], Some(Way::Refresh));
        check(&["provider"], Some(Way::Refresh));
        check(&["token", "refresh_token", "command"], Some(Way::Token));
    }
}
