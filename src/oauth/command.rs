//! A program that prints an access token.
//!
//! It gets no input; what it complains about goes where our own complaints go. Its output is never told.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::answer::is_legal;
use super::error::CommandFault;
use super::error::OauthError;
use crate::secret::Secret;

/// How long it may take: as long as an authorization server.
const LIMIT: Duration = Duration::from_secs(30);
/// What is read of its output.
const OUTPUT_BYTES: u64 = 64 << 10;

/// Runs the program of `words`; its output is the token, but for one line end.
pub(super) async fn token(words: &[String]) -> Result<Secret, OauthError> {
    let (program, arguments) = words.split_first().map_or(("", words), |(first, rest)| (first.as_str(), rest));
    let printed = tokio::time::timeout(LIMIT, run(program, arguments)).await.unwrap_or(Err(CommandFault::TooSlow));
    let token = printed.and_then(|bytes| read(bytes).ok_or(CommandFault::NoToken));
    token.map_err(|fault| OauthError::Command { program: program.to_owned(), fault })
}

async fn run(program: &str, arguments: &[String]) -> Result<Vec<u8>, CommandFault> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| CommandFault::Run(error.kind()))?;
    let mut printed = Vec::new();
    if let Some(output) = child.stdout.take() {
        // One more than a token may have, so that a longer output is seen to be none.
        let reading = output.take(OUTPUT_BYTES + 1).read_to_end(&mut printed).await;
        reading.map_err(|error| CommandFault::Run(error.kind()))?;
    }
    // How it takes the end of our patience does not matter any more.
    if u64::try_from(printed.len()).is_ok_and(|length| length > OUTPUT_BYTES) {
        return Err(CommandFault::NoToken);
    }
    let status = child.wait().await.map_err(|error| CommandFault::Run(error.kind()))?;
    if status.success() { Ok(printed) } else { Err(CommandFault::Failed(status)) }
}

fn read(printed: Vec<u8>) -> Option<Secret> {
    let text = String::from_utf8(printed).ok()?;
    let token = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    is_legal(token).then(|| Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(words: &[&str], expected: Result<&str, &str>) {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let found = token(&words).await.map_err(|error| error.to_string());
        assert_eq!(found.as_ref().map(Secret::reveal).map_err(String::as_str), expected, "{words:?}");
    }

    #[tokio::test]
    async fn a_command_prints_a_token_or_nothing_is_told_of_it() {
        check(&["printf", "t.o-k_e~n"], Ok("t.o-k_e~n")).await;
        check(&["echo", "token"], Ok("token")).await;
        check(&["printf", "token\\r\\n"], Ok("token")).await;
        let none = "the command \"printf\" printed no token: one line of visible ASCII; run it by hand to see why";
        for printed in ["", "two words", "two\\n\\n", "\\001", "\\374"] {
            check(&["printf", printed], Err(none)).await;
        }
        check(
            &["sh", "-c", "echo half; exit 3"],
            Err("the command \"sh\" failed with exit status: 3; run it by hand to see why"),
        )
        .await;
        check(
            &["head", "-c", "70000", "/dev/zero"],
            Err("the command \"head\" printed no token: one line of visible ASCII; run it by hand to see why"),
        )
        .await;
        check(
            &["/nonexistent/vault"],
            Err("the command \"/nonexistent/vault\" cannot be run: entity not found; run it by hand to see why"),
        )
        .await;
    }
}
