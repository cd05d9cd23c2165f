//! What two large providers have published: where their tokens come from, and for what.

/// A provider whose addresses and scopes are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and outlook.com.
    Microsoft,
}

impl Provider {
    /// Where tokens are asked for (RFC 6749 section 3.2).
    pub fn token_url(self, tenant: &str) -> String {
        match self {
            Provider::Google => "https://oauth2.googleapis.com/token".to_owned(),
            Provider::Microsoft => microsoft(tenant, "token"),
        }
    }

    /// Where a login by device begins (RFC 8628 section 3.1).
    pub fn device_url(self, tenant: &str) -> String {
        match self {
            Provider::Google => "https://oauth2.googleapis.com/device/code".to_owned(),
            Provider::Microsoft => microsoft(tenant, "devicecode"),
        }
    }

    /// What is asked for in a person's name (RFC 6749 section 3.3).
    pub fn scope(self) -> &'static str {
        match self {
            Provider::Google => "https://mail.google.com/",
            Provider::Microsoft => "https://outlook.office.com/POP.AccessAsUser.All offline_access",
        }
    }

    /// What is asked for in the client's own name. An administrator has given it the role `POP.AccessAsApp`.
    pub fn app_scope(self) -> Option<&'static str> {
        match self {
            Provider::Google => None,
            Provider::Microsoft => Some("https://outlook.office365.com/.default"),
        }
    }
}

fn microsoft(tenant: &str, last: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{last}")
}
