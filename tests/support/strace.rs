//! Reads a trace of the program's system calls: what was synced before what was told to the server.
//!
//! The trace is that of [`COMMAND`]. The rules: QUIT may go out only when every earlier write of the mail to the
//! spool's write-ahead log was followed by a sync of it that has returned; DELE only when every earlier write at all
//! was (the row "marked" has no text that one could look for).

use std::collections::BTreeMap;

/// What leaves such a trace; the file's name goes behind it. The log's pages are shown whole.
pub const COMMAND: &[&str] = &[
    "strace",
    "-f",
    "-y",
    "-s",
    "65536",
    "-e",
    "trace=fsync,fdatasync,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg",
    "-o",
];

/// What one line of the trace means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Bytes went into the write-ahead log.
    Wrote,
    /// The write-ahead log was synced.
    Synced,
    /// A command that ends the server's duty was handed to the socket.
    Told(&'static str),
}

/// What a trace shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The commands that went out, in order, such as `DELE` and `QUIT`.
    pub told: Vec<String>,
    /// How often the mail was written to the log.
    pub mail_writes: usize,
    /// How often the log was synced.
    pub syncs: usize,
    /// The lines of the commands that went out while something that they rest on was not synced.
    pub too_early: Vec<String>,
}

/// Follows `trace` from its start; `mail` is text that stands in the mail and nowhere else.
pub fn order(trace: &str, mail: &str) -> Order {
    let mut order = Order::default();
    // Writes to the log are numbered; what a returned sync covers is what was written when it began.
    let (mut written, mut mail_written, mut synced) = (0, 0, 0);
    // Syncs that have begun, by process, with the number that they will cover.
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    for line in trace.lines() {
        let (process, call) = line.trim_start().split_once(' ').unwrap_or(("", line));
        let call = call.trim();
        let returned = call.ends_with("= 0");
        if call.starts_with("<... f") {
            let covered = begun.remove(process);
            if let (Some(covered), true) = (covered, returned) {
                synced = synced.max(covered);
                order.syncs += 1;
            }
            continue;
        }
        match act(call) {
            None => {}
            Some(Act::Wrote) => {
                written += 1;
                if call.contains(mail) {
                    mail_written = written;
                    order.mail_writes += 1;
                }
            }
            Some(Act::Synced) if call.ends_with("<unfinished ...>") => {
                begun.insert(process, written);
            }
            Some(Act::Synced) if returned => {
                synced = written;
                order.syncs += 1;
            }
            Some(Act::Synced) => {}
            Some(Act::Told(command)) => {
                order.told.push(command.to_owned());
                let needed = if command == "QUIT" { mail_written } else { written };
                if needed > synced {
                    order.too_early.push(line.to_owned());
                }
            }
        }
    }
    order
}

/// The trace without its syncs of the write-ahead log: what a program that forgot them would leave.
pub fn without_syncs(trace: &str) -> String {
    let kept = trace.lines().filter(|line| !line.contains("sync(") && !line.contains("sync resumed"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// What a call that begins here means; `call` begins with its name.
fn act(call: &str) -> Option<Act> {
    let (name, rest) = call.split_once('(')?;
    let to_log = rest.split(['>', ',']).next().is_some_and(|file| file.ends_with("-wal"));
    match name {
        "fsync" | "fdatasync" => to_log.then_some(Act::Synced),
        "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" | "sendto" | "sendmsg" if to_log => Some(Act::Wrote),
        "write" | "writev" | "sendto" | "sendmsg" if is_socket(rest) => {
            ["DELE", "QUIT"].into_iter().find(|command| says(rest, command)).map(Act::Told)
        }
        _ => None,
    }
}

/// Whether the first argument is a socket, as `-y` shows it.
fn is_socket(arguments: &str) -> bool {
    let first = arguments.split(',').next().unwrap_or_default();
    first.contains("<socket:") || first.contains("<TCP")
}

/// Whether the written bytes hold this command at the start of a line.
fn says(arguments: &str, command: &str) -> bool {
    arguments.contains(&format!("\"{command}")) || arguments.contains(&format!("\\n{command}"))
}
