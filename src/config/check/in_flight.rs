//! How much is posted at once, to all endpoints together.

use crate::config::file::Deliver;
use crate::config::plain::or;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::units::Size;
use crate::config::units::Within;
use crate::deliver::InFlight;

const MAX_IN_FLIGHT: Within<1, 10_000> = Within(256);
const MAX_BYTES: Size = Size(64 << 20);
/// A few small mails at once for one endpoint.
const MAX_BYTES_MIN: u64 = 1 << 20;

pub(super) fn check(deliver: Option<&Deliver>, report: &mut Report) -> InFlight {
    let Within(attempts) = deliver.map_or(MAX_IN_FLIGHT, |deliver| or(&deliver.max_in_flight, MAX_IN_FLIGHT));
    let Size(bytes) = deliver.map_or(MAX_BYTES, |deliver| or(&deliver.max_bytes_in_flight, MAX_BYTES));
    if bytes < MAX_BYTES_MIN {
        let path = Path::default().key("deliver").key("max_bytes_in_flight");
        report.add(&path, "is too little for more than one mail at a time; write 1MiB or more");
    }
    InFlight { attempts, bytes }
}
