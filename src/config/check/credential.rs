//! What a mailbox logs in with: a password or an access token, and a mechanism that takes it.

use std::sync::Arc;

use crate::collect::Credential;
use crate::config::check::noted;
use crate::config::check::oauth2;
use crate::config::check::oauth2::Access;
use crate::config::file::Mailbox;
use crate::config::outside::Outside;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;
use crate::oauth::Grant;
use crate::pop3::Auth;
use crate::pop3::Tls;
use crate::secret::Unavailable;

const FORMS: &str = "write { file: PATH }, { env: NAME }, { command: [PROGRAM] } or a text";

/// A credential, and the grant by which `app` makes a source of tokens for it.
pub(super) type Checked = (Credential, Option<Grant>);

pub(super) fn check(mailbox: &Mailbox, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<Checked> {
    let auth = or(&mailbox.auth, Auth::Auto);
    let (auth_path, oauth2_path, password_path) = (path.key("auth"), path.key("oauth2"), path.key("password"));
    let access = mailbox
        .oauth2
        .as_ref()
        .and_then(|oauth2| oauth2::check(oauth2, mailbox.username.as_deref(), &oauth2_path, outside, report));
    if mailbox.oauth2.is_some() && or(&mailbox.tls, Tls::Implicit) == Tls::None && !is_here(mailbox.host.as_deref()) {
        let remedy = "would send the access token in clear, for anybody to log in with; write implicit or starttls";
        report.add(&path.key("tls"), remedy);
    }
    let password = mailbox.password.as_ref().and_then(|source| noted(resolve(source, outside), &password_path, report));

    let wants_token = match auth {
        Auth::XOAuth2 | Auth::OAuthBearer => Some(true),
        Auth::User | Auth::Plain | Auth::Login | Auth::Scram | Auth::Apop => Some(false),
        Auth::Auto => None,
    };
    match (&mailbox.password, &mailbox.oauth2, wants_token) {
        (Some(_), Some(_), _) => report.add(&oauth2_path, "contradicts password; take one of them out"),
        (Some(_), None, Some(true)) => {
            report.add(&auth_path, "takes an access token; write oauth2 in place of password");
        }
        (None, Some(_), Some(false)) => {
            report.add(&auth_path, "takes a password, not a token; write auto, xoauth2 or oauthbearer");
        }
        // What was written there could not be read.
        (None, None, _) if report.has(&oauth2_path) => {}
        (None, None, Some(true)) => report.missing(&oauth2_path, "write where access tokens come from"),
        (None, None, Some(false) | None) => {
            report.missing(&password_path, &format!("{FORMS}, or log in by oauth2"));
        }
        (Some(_), None, Some(false) | None) | (None, Some(_), Some(true) | None) => {}
    }
    match (password, access) {
        (Some(password), None) => Some((Credential::Password(password), None)),
        (None, Some(Access::Ready(token))) => Some((Credential::Ready(token), None)),
        (None, Some(Access::Granted(grant))) => {
            let none_yet = Unavailable::UntilHelped("nobody has made its source".to_owned());
            Some((Credential::Token(Arc::new(none_yet)), Some(*grant)))
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// Whether what is sent to `host` stays on this machine; a host that is missing is reported as such.
fn is_here(host: Option<&str>) -> bool {
    matches!(host, None | Some("localhost" | "127.0.0.1" | "::1"))
}
