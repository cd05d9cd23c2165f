//! Invitations, and the answers to them: `text/calendar` parts (RFC 5545, RFC 5546, RFC 6047).
//!
//! `calcard` unfolds, unescapes and knows the zones by all the names that programs give them. Should it panic, the mail
//! keeps everything but its events. Zones come from its own tables, so the same mail gives the same times everywhere.

use std::panic::catch_unwind;

use calcard::Entry;
use calcard::Parser;
use calcard::icalendar::ICalendar;
use calcard::icalendar::ICalendarComponent;
use calcard::icalendar::ICalendarComponentType;
use calcard::icalendar::ICalendarEntry;
use calcard::icalendar::ICalendarParameterName;
use calcard::icalendar::ICalendarProperty;
use calcard::icalendar::ICalendarValue;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::SecondsFormat;
use chrono::TimeZone as _;

use crate::parse::Attendee;
use crate::parse::Event;
use crate::parse::mime::Disposition;
use crate::parse::report;
use crate::parse::structure::Part;

/// Longer parts are no invitations, and are not read. Those of Outlook with a long description take some ten KiB.
const PART_MAX: usize = 512 * 1024;

/// Events beyond these, over all parts, are left to the attachments.
const EVENTS_MAX: usize = 100;

/// A longer method is none; those of RFC 5546 have at most 14 letters.
const METHOD_MAX: usize = 64;

/// Attendees beyond these, of one event, are left to the attachment.
const ATTENDEES_MAX: usize = 1000;

/// What was found in the calendar parts of a mail.
#[derive(Debug, Default)]
pub(super) struct Invitation {
    /// The events, in order.
    pub(super) events: Vec<Event>,
    /// The evidence that the mail is about them, and not a letter with a calendar attached.
    pub(super) reason: Option<String>,
}

/// Reads the calendar parts below `root`.
pub(super) fn find(root: &Part<'_>) -> Invitation {
    let mut found = Invitation::default();
    let is_calendar = |part: &&Part<'_>| part.mime.content_type == "text/calendar";
    for part in root.leaves().into_iter().filter(is_calendar).filter(|part| part.body.len() <= PART_MAX) {
        let missing = EVENTS_MAX - found.events.len();
        if missing == 0 {
            break;
        }
        let text = report::text(part);
        let events = catch_unwind(|| read(&text, missing)).unwrap_or_default();
        // What is published is for whoever likes to look; attached, it is no message of its own.
        let speaks = |method: &&str| *method != "PUBLISH" || part.mime.disposition != Disposition::Attachment;
        let method = events.iter().find_map(|event| event.method.as_deref()).filter(speaks);
        if let Some(method) = method {
            let known = METHODS.contains(&method);
            let reason =
                || if known { format!("text/calendar with METHOD:{method}") } else { "text/calendar".to_owned() };
            found.reason.get_or_insert_with(reason);
        }
        found.events.extend(events);
    }
    found
}

/// The methods of RFC 5546.
const METHODS: [&str; 8] = ["PUBLISH", "REQUEST", "REPLY", "ADD", "CANCEL", "REFRESH", "COUNTER", "DECLINECOUNTER"];

/// The first `most` events of a calendar.
fn read(text: &str, most: usize) -> Vec<Event> {
    let Entry::ICalendar(calendar) = Parser::new(text).entry() else { return Vec::new() };
    let method = calendar.components.iter().find_map(|component| component.property(&ICalendarProperty::Method));
    let method = method.and_then(text_of).map(|method| method.to_ascii_uppercase());
    let method = method.filter(|method| method.len() <= METHOD_MAX);
    let is_event = |component: &&ICalendarComponent| {
        matches!(component.component_type, ICalendarComponentType::VEvent | ICalendarComponentType::VTodo)
    };
    let exceptions = |component: &ICalendarComponent| component.has_property(&ICalendarProperty::RecurrenceId);
    let events: Vec<_> = calendar.components.iter().filter(is_event).collect();
    // Exceptions of a series are told only where the series itself is not.
    let series = events.iter().any(|component| !exceptions(component));
    let told = events.into_iter().filter(|component| !series || !exceptions(component));
    told.take(most).map(|component| event(&calendar, component, method.clone())).collect()
}

fn event(calendar: &ICalendar, component: &ICalendarComponent, method: Option<String>) -> Event {
    let of = |property| component.property(&property);
    let start = of(ICalendarProperty::Dtstart);
    let end = of(ICalendarProperty::Dtend).or_else(|| of(ICalendarProperty::Due));
    let lasts = of(ICalendarProperty::Duration).and_then(|entry| match entry.values.first() {
        Some(ICalendarValue::Duration(duration)) => duration.to_time_delta(),
        _ => None,
    });
    let attendees = component.properties(&ICalendarProperty::Attendee);
    Event {
        method,
        uid: of(ICalendarProperty::Uid).and_then(text_of),
        summary: of(ICalendarProperty::Summary).and_then(text_of),
        start: start.and_then(|entry| time(calendar, entry, None)),
        end: match end {
            Some(end) => time(calendar, end, None),
            None => start.and_then(|start| lasts.and_then(|lasts| time(calendar, start, Some(lasts)))),
        },
        organizer: of(ICalendarProperty::Organizer).and_then(address),
        attendees: attendees.filter_map(attendee).take(ATTENDEES_MAX).collect(),
    }
}

/// The moment that `entry` names, moved on by `lasts`.
fn time(calendar: &ICalendar, entry: &ICalendarEntry, lasts: Option<chrono::TimeDelta>) -> Option<String> {
    let Some(ICalendarValue::PartialDateTime(given)) = entry.values.first() else { return None };
    let date = NaiveDate::from_ymd_opt(given.year?.into(), given.month?.into(), given.day?.into())?;
    let Some(hour) = given.hour else {
        let date = date.checked_add_signed(lasts.unwrap_or_default())?;
        return Some(date.format("%Y-%m-%d").to_string());
    };
    let (minute, second) = (given.minute.unwrap_or_default(), given.second.unwrap_or_default());
    // A leap second is told as the one before it.
    let local = date.and_hms_opt(hour.into(), minute.into(), u32::from(second).min(59))?;
    let local = local.checked_add_signed(lasts.unwrap_or_default())?;
    let zoned = if given.has_zone() {
        let seconds = i32::from(given.tz_hour?) * 3600 + i32::from(given.tz_minute.unwrap_or_default()) * 60;
        let offset = chrono::FixedOffset::east_opt(if given.tz_minus { -seconds } else { seconds })?;
        offset.from_local_datetime(&local).single()
    } else {
        entry.tz_id().and_then(|name| in_zone(calendar, name, local))
    };
    Some(match zoned {
        Some(zoned) => zoned.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => local.format("%Y-%m-%dT%H:%M:%S").to_string(),
    })
}

/// The moment at which clocks of the zone called `name` show `local`; of two, the earlier.
fn in_zone(calendar: &ICalendar, name: &str, local: NaiveDateTime) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    let zone = calendar.build_tz_resolver().resolve(name)?;
    if zone.is_floating() {
        return None;
    }
    zone.from_local_datetime(&local).earliest().map(|moment| moment.fixed_offset())
}

fn text_of(entry: &ICalendarEntry) -> Option<String> {
    entry.values.first().and_then(ICalendarValue::as_text).and_then(clean)
}

fn clean(text: &str) -> Option<String> {
    let text = text.trim().replace('\0', "\u{fffd}");
    Some(text).filter(|text| !text.is_empty())
}

fn address(entry: &ICalendarEntry) -> Option<String> {
    entry.calendar_address().and_then(clean)
}

fn attendee(entry: &ICalendarEntry) -> Option<Attendee> {
    let of = |name| entry.parameter(&name).and_then(|value| value.as_text()).and_then(clean);
    Some(Attendee {
        name: of(ICalendarParameterName::Cn),
        address: address(entry)?,
        status: of(ICalendarParameterName::Partstat).map(|status| status.to_ascii_uppercase()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Kind;
    use crate::parse::Options;
    use crate::parse::parse;

    fn events(calendar: &str) -> Vec<Event> {
        let mail = format!("Content-Type: text/calendar; charset=utf-8\n\n{calendar}");
        parse(mail.as_bytes(), &Options::default()).calendar
    }

    fn check_time(line: &str, expected: Option<&str>) {
        let event = events(&format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART{line}\nEND:VEVENT\nEND:VCALENDAR\n"));
        assert_eq!(event[0].start.as_deref(), expected, "{line:?}");
    }

    #[test]
    fn times_say_as_much_as_is_known() {
        for (line, expected) in [
            (":20260131T090000Z", "2026-01-31T09:00:00Z"),
            (";TZID=Europe/Berlin:20260731T090000", "2026-07-31T09:00:00+02:00"),
            (";TZID=\"W. Europe Standard Time\":20260131T090000", "2026-01-31T09:00:00+01:00"),
            (";TZID=America/New_York:20261101T013000", "2026-11-01T01:30:00-04:00"),
            (";TZID=Mars/Olympus:20260131T090000", "2026-01-31T09:00:00"),
            (":20260131T090000", "2026-01-31T09:00:00"),
            (";VALUE=DATE:20260131", "2026-01-31"),
            (":20260131", "2026-01-31"),
            (":20261231T235960Z", "2026-12-31T23:59:59Z"),
        ] {
            check_time(line, Some(expected));
        }
        for line in [":tomorrow", ":20260231T090000Z", ":20260131T250000", ":", ";VALUE=DATE:"] {
            check_time(line, None);
        }
    }

    #[test]
    fn an_event_without_an_end_may_say_how_long_it_takes() {
        let of = |lines: &str| events(&format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{lines}\nEND:VEVENT\nEND:VCALENDAR"));
        let end = |lines: &str| of(lines)[0].end.clone();
        assert_eq!(end("DTSTART:20260131T233000Z\nDURATION:PT1H").as_deref(), Some("2026-02-01T00:30:00Z"));
        assert_eq!(end("DTSTART;VALUE=DATE:20260131\nDURATION:P2D").as_deref(), Some("2026-02-02"));
        assert_eq!(end("DTSTART:20260131T233000Z"), None);
    }

    #[test]
    fn exceptions_of_a_series_are_told_only_without_it() {
        let one = |extra: &str| format!("BEGIN:VEVENT\nUID:u{extra}\nEND:VEVENT\n");
        let exception = one("\nRECURRENCE-ID:20260131T090000Z");
        let of = |inner: String| events(&format!("BEGIN:VCALENDAR\n{inner}END:VCALENDAR\n")).len();
        assert_eq!((of(one("") + &exception), of(exception.clone()), of(one("1") + &one("2"))), (1, 1, 2));
    }

    #[test]
    fn a_calendar_that_is_none_is_an_attachment_and_no_event() {
        for hostile in [
            String::new(),
            "BEGIN:VCALENDAR".to_owned(),
            "END:VCALENDAR\n".repeat(1000),
            "BEGIN:VEVENT\n".repeat(10_000),
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\n".repeat(5000),
            format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:{}", "FREQ=;BYDAY=9999999999MO,".repeat(1000)),
            format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID={}:1", "\"(;".repeat(10_000)),
            format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nATTENDEE;CN={}\n", "=\"\\".repeat(10_000)),
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDURATION:P99999999999999W\nDTSTART:99999999T999999Z\nEND:VEVENT".to_owned(),
        ] {
            let mail = format!("Content-Type: text/calendar\n\n{hostile}");
            let mail = parse(mail.as_bytes(), &Options::default());
            assert_eq!(mail.attachments.len(), 1);
            assert!(mail.defects.is_empty(), "{:?}", mail.defects);
            assert!(mail.calendar.len() <= EVENTS_MAX);
        }
    }

    #[test]
    fn more_than_an_invitation_can_be_is_not_read() {
        let event = "BEGIN:VEVENT\nUID:u\nEND:VEVENT\n";
        let of = |count: usize| events(&format!("BEGIN:VCALENDAR\n{}END:VCALENDAR", event.repeat(count))).len();
        assert_eq!((of(EVENTS_MAX + 1), of(PART_MAX / event.len())), (EVENTS_MAX, 0));
    }

    #[test]
    fn many_parts_have_no_more_events_than_one_and_a_long_method_is_none() {
        let event = "BEGIN:VEVENT\nUID:u\nEND:VEVENT\n".repeat(60);
        let method = |length: usize| format!("METHOD:{}", "x".repeat(length));
        let part = |method: &str| {
            format!("--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\n{method}\n{event}END:VCALENDAR\n")
        };
        let of = |parts: &str| {
            let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n");
            parse(mail.as_bytes(), &Options::default()).calendar
        };
        assert_eq!(of(&part("METHOD:REQUEST").repeat(3)).len(), EVENTS_MAX);
        let told = |length| of(&part(&method(length)))[0].method.as_ref().map(String::len);
        assert_eq!((told(METHOD_MAX), told(METHOD_MAX + 1)), (Some(METHOD_MAX), None));
    }

    #[test]
    fn an_attached_calendar_that_is_published_leaves_a_letter_a_letter() {
        let mail = |method: &str, disposition: &str| {
            let calendar = format!("BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR");
            let mail = format!("Content-Type: text/calendar\nContent-Disposition: {disposition}\n\n{calendar}");
            parse(mail.as_bytes(), &Options::default()).kind
        };
        assert_eq!(mail("publish", "attachment; filename=a.ics"), Some(Kind::Message));
        assert_eq!(mail("PUBLISH", "inline"), Some(Kind::Calendar));
        assert_eq!(mail("request", "attachment; filename=a.ics"), Some(Kind::Calendar));
    }
}
