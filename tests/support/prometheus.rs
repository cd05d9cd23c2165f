//! Prometheus as Debian has it, unpacked by tests/run.sh: its tool, and a server that scrapes one pophook.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::free_port;
use super::wait_for;

/// A program of the package.
fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prometheus").join(name);
    assert!(path.exists(), "tests/run.sh unpacks Prometheus to {}", path.display());
    path
}

/// What `promtool ARGUMENTS` finds wrong with `input`; empty where it finds nothing.
pub fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program("promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    if ended.status.success() { String::new() } else { String::from_utf8_lossy(&said).into_owned() }
}

/// The server; it stops with this value.
pub struct Prometheus {
    port: u16,
    child: Child,
    dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` and evaluates `rules`, each once a second.
    pub fn start(target: &str, rules: &str) -> Prometheus {
        let dir = tempfile::Builder::new().prefix("pophook-prometheus-").tempdir().unwrap();
        let port = free_port();
        fs::write(dir.path().join("rules.yaml"), rules).unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [rules.yaml]\nscrape_configs:\n  \
             - {{ job_name: pophook, static_configs: [ {{ targets: [ '{target}' ] }} ] }}\n"
        );
        fs::write(dir.path().join("prometheus.yaml"), config).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        // setpriv: whatever ends this test, the server ends with it.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program("prometheus"))
            .arg(format!("--config.file={}", dir.path().join("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let prometheus = Prometheus { port, child, dir };
        wait_for("Prometheus is ready", || prometheus.get("/-/ready").starts_with("HTTP/1.0 200"));
        prometheus
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The series that a query gives now.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded: String = form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let mut answer = self.json(&format!("/api/v1/query?query={encoded}"));
        match answer["data"]["result"].take() {
            Value::Array(series) => Ok(series),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// The names and states of the alerts that are not inactive.
    pub fn alerts(&self) -> Vec<(String, String)> {
        let answer = self.json("/api/v1/alerts");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let alerts = answer["data"]["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"]))).collect()
    }

    /// The rules that it could not evaluate, or did not yet.
    pub fn unwell(&self) -> String {
        let mut unwell = String::new();
        for group in self.json("/api/v1/rules")["data"]["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap().iter().filter(|rule| rule["health"] != "ok") {
                writeln!(unwell, "{}: {} {}", rule["name"], rule["health"], rule["lastError"]).unwrap();
            }
        }
        unwell
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}\n{}", self.log()))
    }

    /// An answer, head and body; empty while there is none.
    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return answer };
        // 1.0: the body comes in one piece.
        let asked = write!(stream, "GET {path} HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n");
        match asked.and_then(|()| stream.read_to_string(&mut answer)) {
            Ok(_) => answer,
            Err(_) => String::new(),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
