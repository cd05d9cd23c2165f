//! The bodies of requests, one function for each grant (pure).
//!
//! The client's secret goes into the body (RFC 6749 section 2.3.1), which every server we know of takes.

use std::fmt;

use form_urlencoded::Serializer;

use super::config::Client;

/// A body in the form `application/x-www-form-urlencoded`. `Debug` prints `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Form(String);

impl Form {
    fn of<'a>(fields: impl IntoIterator<Item = (&'static str, &'a str)>) -> Form {
        Form(Serializer::new(String::new()).extend_pairs(fields).finish())
    }

    /// The body itself. Call it only where the wire needs it.
    pub(super) fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Refreshes (RFC 6749 section 6).
pub(super) fn refresh(client: &Client, refresh_token: &str) -> Form {
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    Form::of(grant.into_iter().chain(identity(client)).chain(scope(client)))
}

/// Asks in the client's own name (RFC 6749 section 4.4.2).
pub(super) fn client_credentials(client: &Client) -> Form {
    Form::of([("grant_type", "client_credentials")].into_iter().chain(identity(client)).chain(scope(client)))
}

/// Asks with a signed assertion (RFC 7523 section 2.1).
pub(super) fn jwt_bearer(assertion: &str) -> Form {
    Form::of([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)])
}

/// Begins a login by device (RFC 8628 section 3.1).
pub(super) fn device(client: &Client) -> Form {
    Form::of([("client_id", client.id.as_str())].into_iter().chain(scope(client)))
}

/// Asks whether the human has agreed (RFC 8628 section 3.4).
pub(super) fn device_code(client: &Client, device_code: &str) -> Form {
    let grant = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", device_code)];
    Form::of(grant.into_iter().chain(identity(client)))
}

fn identity(client: &Client) -> impl Iterator<Item = (&'static str, &str)> {
    let secret = client.secret.as_ref().map(|secret| ("client_secret", secret.reveal()));
    [("client_id", client.id.as_str())].into_iter().chain(secret)
}

fn scope(client: &Client) -> impl Iterator<Item = (&'static str, &str)> {
    client.scope.as_deref().map(|scope| ("scope", scope)).into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn client(secret: Option<&str>, scope: Option<&str>) -> Client {
        Client {
            token_url: "https://login.example/token".parse().unwrap(),
            device_url: None,
            scope: scope.map(str::to_owned),
            id: "id 1".to_owned(),
            secret: secret.map(Secret::new),
        }
    }

    fn check(form: Form, expected: &str) {
        assert!(!format!("{form:?}").contains("s3&"));
        assert_eq!(form.reveal(), expected);
    }

    #[test]
    fn each_grant_has_its_body() {
        let (public, known) = (client(None, None), client(Some("s3&"), Some("mail offline_access")));
        let identity = "client_id=id+1&client_secret=s3%26";
        let scope = "scope=mail+offline_access";
        check(refresh(&public, "r+"), "grant_type=refresh_token&refresh_token=r%2B&client_id=id+1");
        check(refresh(&known, "r"), &format!("grant_type=refresh_token&refresh_token=r&{identity}&{scope}"));
        check(client_credentials(&known), &format!("grant_type=client_credentials&{identity}&{scope}"));
        let jwt = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        check(jwt_bearer("a.b.c"), &format!("grant_type={jwt}&assertion=a.b.c"));
        check(device(&known), &format!("client_id=id+1&{scope}"));
        let device = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
        check(device_code(&known, "d"), &format!("grant_type={device}&device_code=d&{identity}"));
    }
}
