//! Every mechanism's dialogue, to each of its ends.

use super::*;
use crate::pop3::Step;
use crate::pop3::config::Auth;
use crate::pop3::config::Pipelining;
use crate::pop3::config::Tls;
use crate::pop3::scripted::SIZES;
use crate::pop3::scripted::Turn;
use crate::pop3::scripted::serve;
use crate::pop3::scripted::serve_and_close;
use crate::pop3::scripted::timeouts;
use crate::secret::Secret;

const APOP_GREETING: Turn = ("", b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n");
const GO_ON: &[u8] = b"+ \r\n";
const IN: &[u8] = b"+OK in\r\n";
const REFUSED: &[u8] = b"-ERR [AUTH] no\r\n";
const LOGIN_REFUSED: &str = "login_refused: login refused: [AUTH] no";

const USER: [Turn; 2] = [("USER user\r\n", b"+OK\r\n"), ("PASS pencil\r\n", IN)];
const APOP: [Turn; 1] = [("APOP user ec87818fbba45646df08ce6d6a516815\r\n", IN)];
const PLAIN: [Turn; 2] = [("AUTH PLAIN\r\n", GO_ON), ("AHVzZXIAcGVuY2ls\r\n", IN)];
const LOGIN: [Turn; 3] =
    [("AUTH LOGIN\r\n", b"+ VXNlcm5hbWU6\r\n"), ("dXNlcg==\r\n", b"+ UGFzc3dvcmQ6\r\n"), ("cGVuY2ls\r\n", IN)];
const XOAUTH2: [Turn; 2] = [("AUTH XOAUTH2\r\n", GO_ON), ("dXNlcj11c2VyAWF1dGg9QmVhcmVyIHBlbmNpbAEB\r\n", IN)];
const OAUTHBEARER: [Turn; 2] = [
    ("AUTH OAUTHBEARER\r\n", GO_ON),
    ("bixhPXVzZXIsAWhvc3Q9cG9wLmV4YW1wbGUuY29tAXBvcnQ9OTk1AWF1dGg9QmVhcmVyIHBlbmNpbAEB\r\n", IN),
];

/// The exchange of RFC 5802 section 5.
const SCRAM_SHA_1: [Turn; 4] = [
    ("AUTH SCRAM-SHA-1\r\n", GO_ON),
    (
        "biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM\r\n",
        b"+ cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0wzcmZjTkhZSlkxWlZ2V1ZzN2oscz1RU1hDUitRNnNlazhiZjkyLGk9NDA5Ng==\r\n",
    ),
    (
        "Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMM3JmY05IWUpZMVpWdldWczdqLHA9djBYOHYzQnoyVDBDSkdiSlF5RjBYK0hJNFRzPQ==\r\n",
        b"+ dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9\r\n",
    ),
    ("\r\n", IN),
];
/// The exchange of RFC 7677 section 3.
const SCRAM_SHA_256: [Turn; 4] = [
    ("AUTH SCRAM-SHA-256\r\n", GO_ON),
    (
        "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n",
        b"+ cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=\r\n",
    ),
    (
        "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==\r\n",
        b"+ dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==\r\n",
    ),
    ("\r\n", IN),
];

/// Every mechanism, and a dialogue in which it succeeds.
const ALL: [(Auth, &[Turn]); 8] = [
    (Auth::User, &USER),
    (Auth::Apop, &APOP),
    (Auth::Plain, &PLAIN),
    (Auth::Login, &LOGIN),
    (Auth::Scram, &SCRAM_SHA_256),
    (Auth::Scram, &SCRAM_SHA_1),
    (Auth::XOAuth2, &XOAUTH2),
    (Auth::OAuthBearer, &OAUTHBEARER),
];

fn config(auth: Auth) -> Config {
    Config {
        host: "pop.example.com".to_owned(),
        port: 995,
        tls: Tls::Implicit,
        ca_pem: None,
        username: "user".to_owned(),
        auth,
        pipelining: Pipelining::Off,
        capa: crate::pop3::Capa::Asked,
        timeouts: timeouts(),
    }
}

fn password() -> Credential {
    Credential::Password(Secret::new("pencil"))
}

fn token() -> Credential {
    Credential::Token(Secret::new("pencil"))
}

/// The credential that `auth` takes.
fn credential(auth: Auth) -> Credential {
    if matches!(auth, Auth::XOAuth2 | Auth::OAuthBearer) { token() } else { password() }
}

/// What CAPA says where `script` is to be followed.
fn announced(script: &[Turn]) -> &'static str {
    let begins = |other: &[Turn]| script.first().map(|turn| turn.0) == other.first().map(|turn| turn.0);
    if begins(&SCRAM_SHA_1) { "SCRAM-SHA-1" } else { "" }
}

async fn run(
    stream: crate::pop3::stream::Stream,
    config: &Config,
    credential: &Credential,
    announced: &str,
) -> Result<(), Pop3Error> {
    let (mut connection, greeting) = Connection::greet(stream, Step::Greeting, config.timeouts).await.unwrap();
    let capabilities = Capabilities::parse(format!("SASL {announced}\r\n").as_bytes());
    let nonce = if announced.contains("SCRAM-SHA-1") { "fyko+d2lbbFgONRv9qkxdawL" } else { "rOprNGfwEbeRWgbNEkqO" };
    let login = Login { config, credential, greeting: greeting.words(), nonce };
    log_in(&mut connection, &capabilities, login).await
}

/// What comes of a login, in words.
fn told(outcome: Result<(), Pop3Error>) -> String {
    let told = outcome.map_or_else(|error| format!("{}: {error}", error.reason()), |()| "in".to_owned());
    assert!(!told.contains("pencil") && !told.contains("cGVuY2ls"), "a secret is told: {told}");
    told
}

/// What comes of a login where `announced` is announced; nothing but the script is sent.
async fn check_auto(credential: Credential, announced: &str, script: &[Turn], expected: &str) {
    for size in SIZES {
        let (stream, server) = serve(size, &[&[APOP_GREETING], script]);
        let outcome = run(stream, &config(Auth::Auto), &credential, announced).await;
        assert_eq!(told(outcome), expected, "{announced} {script:?}");
        server.await.unwrap();
    }
}

/// What comes of a login with a configured mechanism; nothing but the script is sent.
async fn check(auth: Auth, script: &[Turn], expected: &str) {
    for size in SIZES {
        let (stream, server) = serve(size, &[&[APOP_GREETING], script]);
        let outcome = run(stream, &config(auth), &credential(auth), announced(script)).await;
        assert_eq!(told(outcome), expected, "{auth:?} {script:?}");
        server.await.unwrap();
    }
}

/// The dialogue in which the answer to its `turn` is another one, and nothing follows.
fn cut(script: &[Turn], turn: usize, answer: &'static [u8]) -> Vec<Turn> {
    let mut script = script[..=turn].to_vec();
    script[turn].1 = answer;
    script
}

#[tokio::test]
async fn every_mechanism_logs_in() {
    for (auth, script) in ALL {
        check(auth, script, "in").await;
    }
}

#[tokio::test]
async fn every_refusal_at_every_turn_tells_the_servers_reason() {
    for (auth, script) in ALL {
        for turn in 0..script.len() {
            check(auth, &cut(script, turn, REFUSED), LOGIN_REFUSED).await;
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_no_secret() {
    let last = |script, answer| cut(script, 1, answer);
    check(
        Auth::User,
        &last(&USER, b"-ERR maildrop already locked\r\n"),
        "login_deferred: login refused: maildrop already locked",
    )
    .await;
    check(Auth::User, &last(&USER, b"-ERR not 'pencil'\r\n"), "login_refused: login refused: not '[secret]'").await;
    let echo = last(&PLAIN, b"-ERR AHVzZXIAcGVuY2ls?\r\n");
    check(Auth::Plain, &echo, "login_refused: login refused: [secret]?").await;
    let echo = last(&XOAUTH2, b"-ERR Bearer pencil?\r\n");
    check(Auth::XOAuth2, &echo, "login_refused: login refused: Bearer [secret]?").await;
    let echo = cut(&LOGIN, 2, b"-ERR cGVuY2ls?\r\n");
    check(Auth::Login, &echo, "login_refused: login refused: [secret]?").await;
}

#[tokio::test]
async fn a_refused_token_is_told_with_its_status_and_nothing_else() {
    let told = "login_refused: login refused: [AUTH] no (status 401)";
    let challenge = b"+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJtYWlsIn0=\r\n";
    let script = [&cut(&XOAUTH2, 1, challenge)[..], &[("\r\n", REFUSED)]].concat();
    check(Auth::XOAuth2, &script, told).await;

    let told = "login_refused: login refused: [AUTH] no (status invalid_token)";
    let challenge = b"+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n";
    let script = [&cut(&OAUTHBEARER, 1, challenge)[..], &[("AQ==\r\n", REFUSED)]].concat();
    check(Auth::OAuthBearer, &script, told).await;

    for garbage in [&b"+\r\n"[..], b"+ !\r\n", b"+ AAAA\r\n", b"+junk\r\n"] {
        let script = [&cut(&XOAUTH2, 1, garbage)[..], &[("\r\n", REFUSED)]].concat();
        check(Auth::XOAuth2, &script, LOGIN_REFUSED).await;
    }
}

#[tokio::test]
async fn a_challenge_that_is_not_understood_cancels() {
    let cancelled: Turn = ("*\r\n", b"-ERR cancelled\r\n");
    let with_cancel = |script: &[Turn], turn, answer| [&cut(script, turn, answer)[..], &[cancelled]].concat();
    let challenge = |name: &str| format!("challenge: the server's challenge for {name} makes no sense");
    check(Auth::Plain, &with_cancel(&PLAIN, 1, GO_ON), &challenge("PLAIN")).await;
    check(Auth::Login, &with_cancel(&LOGIN, 2, b"+ more\r\n"), &challenge("LOGIN")).await;
    // Base64 of something else, no base64, nothing at all.
    for garbage in [&b"+ bm9uc2Vuc2U=\r\n"[..], b"+ !\r\n", b"+\r\n"] {
        check(Auth::Scram, &with_cancel(&SCRAM_SHA_1, 1, garbage), &challenge("SCRAM-SHA-1")).await;
    }
    check(Auth::Scram, &with_cancel(&SCRAM_SHA_256, 3, GO_ON), &challenge("SCRAM-SHA-256")).await;
    let script = [&cut(&XOAUTH2, 1, GO_ON)[..], &[("\r\n", GO_ON), cancelled]].concat();
    check(Auth::XOAuth2, &script, &challenge("XOAUTH2")).await;
}

#[tokio::test]
async fn a_scram_server_that_proves_nothing_is_refused() {
    let unproven = "unproven: the server did not prove by SCRAM-SHA-1 that it knows the password";
    for turn in [1, 2] {
        check(Auth::Scram, &cut(&SCRAM_SHA_1, turn, IN), unproven).await;
    }
    let cancelled: Turn = ("*\r\n", b"-ERR cancelled\r\n");
    for forged in [&b"+ dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1I9\r\n"[..], b"+ dj0=\r\n", b"+ !\r\n", b"+\r\n"] {
        check(Auth::Scram, &[&cut(&SCRAM_SHA_1, 2, forged)[..], &[cancelled]].concat(), unproven).await;
    }
    let refused = cut(&SCRAM_SHA_1, 2, b"+ ZT1pbnZhbGlkLXByb29m\r\n");
    check(Auth::Scram, &[&refused[..], &[("\r\n", REFUSED)]].concat(), LOGIN_REFUSED).await;
    check(Auth::Scram, &[&refused[..], &[("\r\n", IN)]].concat(), unproven).await;
}

#[tokio::test]
async fn others_go_on_while_the_rounds_of_scram_are_counted() {
    let (stream, _server) = serve(4096, &[&[APOP_GREETING], &SCRAM_SHA_256]);
    let (config, credential) = (config(Auth::Scram), password());
    let logging_in = run(stream, &config, &credential, announced(&SCRAM_SHA_256));
    tokio::pin!(logging_in);
    let mut turns = 0;
    loop {
        tokio::select! {
            biased;
            ended = &mut logging_in => break ended.unwrap(),
            () = tokio::task::yield_now() => turns += 1,
        }
    }
    assert!(turns > 200, "4096 rounds leave time for more than {turns} turns of others");
}

#[tokio::test]
async fn whatever_follows_the_first_plus_is_fine() {
    for plus in [&b"+\r\n"[..], b"+ \r\n", b"+OK go on\r\n", b"+junk\r\n", b"+\n"] {
        for (auth, script) in &ALL[2..] {
            let mut script = script.to_vec();
            script[0].1 = plus;
            check(*auth, &script, "in").await;
        }
        let mut login = LOGIN;
        login[1].1 = plus;
        check(Auth::Login, &login, "in").await;
    }
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_is_told() {
    for (auth, script) in ALL {
        for (turn, (_, answer)) in script.iter().enumerate() {
            for length in [0, 1, answer.len() / 2, answer.len() - 1] {
                let stream = serve_and_close(4096, &[&[APOP_GREETING], &cut(script, turn, &answer[..length])]);
                let outcome = run(stream, &config(auth), &credential(auth), announced(script)).await;
                assert!(matches!(outcome, Err(Pop3Error::Closed { .. })), "{script:?} {turn} {length}: {outcome:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_of_nine_kilobytes_goes_in_one_line() {
    let token = Credential::Token(Secret::new("t".repeat(9000)));
    let message = format!("user=user\x01auth=Bearer {}\x01\x01", "t".repeat(9000));
    let line: &'static str = format!("{}\r\n", base64_simd::STANDARD.encode_to_string(message)).leak();
    for size in SIZES {
        let (stream, server) = serve(size, &[&[APOP_GREETING, XOAUTH2[0], (line, IN)]]);
        run(stream, &config(Auth::XOAuth2), &token, "").await.unwrap();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn a_mechanism_that_the_server_turns_out_not_to_know_gives_way() {
    let all = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256";
    let unknown = |script: &[Turn]| cut(script, 0, b"-ERR unknown mechanism\r\n");
    let script = [&unknown(&SCRAM_SHA_256)[..], &unknown(&SCRAM_SHA_1), &unknown(&PLAIN), &LOGIN].concat();
    check_auto(password(), all, &script, "in").await;
    check_auto(password(), "PLAIN", &[&unknown(&PLAIN)[..], &USER].concat(), "in").await;
    check_auto(token(), "OAUTHBEARER", &[&unknown(&OAUTHBEARER)[..], &XOAUTH2].concat(), "in").await;
    check(Auth::Scram, &[&unknown(&SCRAM_SHA_256)[..], &cut(&SCRAM_SHA_1, 0, REFUSED)].concat(), LOGIN_REFUSED).await;
    check(Auth::Plain, &unknown(&PLAIN), "login_refused: login refused: unknown mechanism").await;
}

#[tokio::test]
async fn a_refusal_with_a_reason_is_the_end() {
    let all = "PLAIN LOGIN SCRAM-SHA-1";
    check_auto(password(), all, &cut(&SCRAM_SHA_1, 0, REFUSED), LOGIN_REFUSED).await;
    let in_use = "login_deferred: login refused: [IN-USE] later";
    check_auto(password(), all, &cut(&SCRAM_SHA_1, 0, b"-ERR [IN-USE] later\r\n"), in_use).await;
    // Without a reason too, once anything of the exchange was said.
    let refused = "login_refused: login refused: no";
    check_auto(password(), all, &cut(&SCRAM_SHA_1, 1, b"-ERR no\r\n"), refused).await;
    check_auto(password(), all, &cut(&SCRAM_SHA_1, 2, b"-ERR no\r\n"), refused).await;
    check_auto(password(), "PLAIN LOGIN", &cut(&PLAIN, 1, b"-ERR no\r\n"), refused).await;
    check_auto(token(), "OAUTHBEARER XOAUTH2", &cut(&OAUTHBEARER, 1, b"-ERR no\r\n"), refused).await;
}

#[tokio::test]
async fn apop_without_a_timestamp_sends_nothing() {
    let (stream, server) = serve(4096, &[&[("", b"+OK hi\r\n")]]);
    let outcome = run(stream, &config(Auth::Apop), &password(), "").await;
    assert_eq!(told(outcome), "no_mechanism: the greeting has no timestamp, so that the server cannot do APOP");
    server.await.unwrap();
}

#[tokio::test]
async fn a_credential_with_a_line_break_is_never_sent() {
    for (username, secret) in [("user", "x\r\nDELE 1"), ("us\ner", "x"), ("user", "x\0")] {
        for (auth, _) in ALL {
            let (stream, server) = serve(4096, &[&[APOP_GREETING]]);
            let credential = match credential(auth) {
                Credential::Password(_) => Credential::Password(Secret::new(secret)),
                Credential::Token(_) => Credential::Token(Secret::new(secret)),
            };
            let config = Config { username: username.to_owned(), ..config(auth) };
            let error = run(stream, &config, &credential, "").await.unwrap_err();
            assert!(matches!(error, Pop3Error::IllegalCredentials), "{error:?}");
            server.await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_not_ascii_goes_as_utf_8() {
    let config = |auth| Config { username: "üser".to_owned(), ..config(auth) };
    let password = Credential::Password(Secret::new("pässwörd"));
    let plain: [Turn; 2] = [("AUTH PLAIN\r\n", GO_ON), ("AMO8c2VyAHDDpHNzd8O2cmQ=\r\n", IN)];
    let user: [Turn; 2] = [("USER üser\r\n", b"+OK\r\n"), ("PASS pässwörd\r\n", IN)];
    for (auth, script) in [(Auth::Plain, plain), (Auth::User, user)] {
        let (stream, server) = serve(7, &[&[APOP_GREETING], &script]);
        run(stream, &config(auth), &password, "").await.unwrap();
        server.await.unwrap();
    }
}

#[test]
fn no_nonce_is_used_twice() {
    let (one, two) = (nonce().unwrap(), nonce().unwrap());
    assert_ne!(one, two);
    assert!(one.len() == 24 && !one.contains(','), "{one}");
}
