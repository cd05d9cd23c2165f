//! Where the operators' server listens, and who may use it.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::admin;
use crate::admin::access;
use crate::admin::access::Role;
use crate::config::check::key_pair;
use crate::config::check::noted;
use crate::config::check::required;
use crate::config::file::Admin;
use crate::config::file::Listen;
use crate::config::file::Token;
use crate::config::list::items;
use crate::config::outside::Outside;
use crate::config::plain::Plain;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::resolve;
use crate::ident::EndpointName;
use crate::secret::Secret;

/// Where the server listens, if the file does not say.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A token is not guessed: so many characters at least.
const TOKEN_MIN: usize = 20;

/// What the tokens of the examples end with, which everybody can read.
const EXAMPLE: &str = "make-your-own";

const TOKEN_REMEDY: &str = "make one with: openssl rand -hex 32";

pub(super) fn check(admin: Option<&Admin>, outside: &dyn Outside, report: &mut Report) -> admin::Config {
    let path = Path::default().key("admin");
    let Listen(listen) = admin.map_or(Listen(Some(LISTEN)), |admin| or(&admin.listen, Listen(Some(LISTEN))));
    let Listen(probes_listen) = admin.map_or(Listen(None), |admin| or(&admin.probes_listen, Listen(None)));
    if listen.is_some() && listen == probes_listen {
        report.add(&path.key("probes_listen"), "is the address of listen; write another one, or take it out");
    }
    let path = path.key("tokens");
    let mut tokens: Vec<access::Token> = Vec::new();
    for (at, written) in admin.map(|admin| items(&admin.tokens)).into_iter().flatten() {
        let path = path.index(at);
        let Some(token) = token(written, &path, outside, report) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            report.add(&path.key("name"), "stands twice; each token has a name of its own");
        }
        if tokens.iter().any(|other| other.secret == token.secret) {
            report.add(&path.key("token"), "is the token of another name, too; make each its own");
        }
        tokens.push(token);
    }
    let path = Path::default().key("admin");
    let written = admin.map(|admin| (admin.cert_file.as_deref(), admin.key.as_ref()));
    let pair = written.and_then(|pair| key_pair::check(pair, ["cert_file", "key"], &path, outside, report));
    let tls = pair.map(|(chain_pem, key_pem)| access::Tls { chain_pem, key_pem });
    admin::Config { listen, probes_listen, access: Arc::new(access::Config { tokens, tls }) }
}

fn token(written: &Token, path: &Path, outside: &dyn Outside, report: &mut Report) -> Option<access::Token> {
    let name_path = path.key("name");
    let name = required(&written.name, &name_path, "write what it is called in the log", report);
    // The same letters as all other names that stand in the log.
    let name = name.and_then(|name| noted(EndpointName::parse(name).map_err(|e| e.to_string()), &name_path, report));
    let (token_path, role_path) = (path.key("token"), path.key("role"));
    if written.token.is_none() {
        report.missing(&token_path, "write it as a secret, such as { env: NAME }");
    }
    let secret = written.token.as_ref().and_then(|source| noted(resolve(source, outside), &token_path, report));
    let secret = secret.and_then(|secret| noted(strong(secret), &token_path, report));
    let Some(Plain(role)) = written.role else {
        report.missing(&role_path, "write read or operate");
        return None;
    };
    let content_path = path.key("mail_content");
    if role == Role::Operate && written.mail_content == Some(false) {
        report
            .add(&content_path, "cannot be false with role: operate, which needs to see what it settles; take it out");
    }
    let sees_mail = role == Role::Operate || written.mail_content == Some(true);
    Some(access::Token { name: name?.as_str().into(), secret: secret?, role, sees_mail })
}

fn strong(secret: Secret) -> Result<Secret, String> {
    if secret.reveal().len() < TOKEN_MIN {
        return Err(format!("has less than {TOKEN_MIN} characters; {TOKEN_REMEDY}"));
    }
    if secret.reveal().ends_with(EXAMPLE) {
        return Err(format!("is that of an example, which everybody knows; {TOKEN_REMEDY}"));
    }
    if !secret.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("holds blanks, or what is no ASCII; {TOKEN_REMEDY}"));
    }
    Ok(secret)
}
