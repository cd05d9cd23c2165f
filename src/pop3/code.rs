//! Why a server refuses: its code, or what its words amount to.
//!
//! RFC 2449 section 8, RFC 3206. Pure.

/// A response code that tells why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// `[AUTH]`: the credentials are wrong.
    Auth,
    /// `[IN-USE]`: another session holds the maildrop.
    InUse,
    /// `[LOGIN-DELAY]`: the last login was too short ago.
    LoginDelay,
    /// `[SYS/TEMP]`, and every other `[SYS/…]`: the server has a problem that will pass.
    SysTemp,
    /// `[SYS/PERM]`: the server has a problem that needs a human.
    SysPerm,
    /// `[UTF8]` (RFC 6856 section 5): it takes or hands this out only in a mode that pophook does not ask for.
    Utf8,
}

impl Code {
    /// Whether it goes away by itself.
    pub fn is_transient(self) -> bool {
        match self {
            Code::InUse | Code::LoginDelay | Code::SysTemp => true,
            Code::Auth | Code::SysPerm | Code::Utf8 => false,
        }
    }

    /// The code that a status line's text begins with.
    pub(super) fn parse(text: &[u8]) -> Option<Code> {
        let inside = text.strip_prefix(b"[")?.split(|&b| b == b']').next()?.to_ascii_uppercase();
        match inside.split(|b| b.is_ascii_whitespace()).next()? {
            b"AUTH" => Some(Code::Auth),
            b"IN-USE" => Some(Code::InUse),
            b"LOGIN-DELAY" => Some(Code::LoginDelay),
            b"SYS/PERM" => Some(Code::SysPerm),
            b"UTF8" => Some(Code::Utf8),
            code if code == b"SYS" || code.starts_with(b"SYS/") => Some(Code::SysTemp),
            _ => None,
        }
    }

    /// What servers without codes mean by the text of a refused login; most of it was collected by fetchmail.
    pub(super) fn guess(text: &[u8]) -> Option<Code> {
        let text = String::from_utf8_lossy(text).to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        // "Wrong password, wait a while" is about the password.
        if has(&["password", "credential", "invalid", "incorrect"]) {
            return None;
        }
        // A locked or blocked *account* is no lock on a maildrop and will not go away.
        if has(&["lock", "in use"]) && (has(&["session"]) || !has(&["block", "account"])) {
            return Some(Code::InUse);
        }
        if has(&["login too often", "logins must be", "login interval", "too frequent"]) {
            return Some(Code::LoginDelay);
        }
        if has(&["wait", "busy", "service unavailable", "temporar", "too many connections", "connections exceeded"]) {
            return Some(Code::SysTemp);
        }
        // "Login failed, try again later" is about the login.
        (has(&["try again", "try later"]) && !has(&["fail", "denied", "refused"])).then_some(Code::SysTemp)
    }
}
