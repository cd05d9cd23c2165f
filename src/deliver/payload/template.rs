//! `format: template`: a body of the operator's own shape, made by a template (Jinja's language, by `minijinja`) from the
//! native payload: `type`, `timestamp` and `data`.
//!
//! What a template prints is written so that it cannot break out: as JSON where the content type is JSON (a text comes
//! with its quotes), percent-encoded where it is a form. A name that does not exist is an error, and no empty text. So
//! that such errors show when the configuration is read and not when a mail comes, a new template is tried on samples.

mod filters;
mod samples;

use std::io;

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::Error;
use minijinja::UndefinedBehavior;
use minijinja::Value;
use minijinja::escape_formatter;
use minijinja::value::Serde;
use serde::de::IgnoredAny;

use super::json;
use crate::deliver::payload::Source;

/// The name that the template has within its environment.
const NAME: &str = "template";
/// How a form is escaped.
const FORM: &str = "form";

/// A template that was tried and is fit to be rendered.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    content_type: String,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TemplateError {
    /// The line, where one can be told.
    pub line: Option<usize>,
    /// What is wrong, and the remedy.
    pub text: String,
}

/// What a body is made of, as its content type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Json,
    Form,
    Other,
}

impl Language {
    fn of(content_type: &str) -> Language {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Language::Json,
            "application/x-www-form-urlencoded" => Language::Form,
            other if other.ends_with("+json") => Language::Json,
            _ => Language::Other,
        }
    }

    fn escape(self) -> AutoEscape {
        match self {
            Language::Json => AutoEscape::Json,
            Language::Form => AutoEscape::Custom(FORM.into()),
            Language::Other => AutoEscape::None,
        }
    }
}

impl Template {
    /// Reads a template whose bodies have this content type, and tries it on each sample.
    ///
    /// # Errors
    /// [`TemplateError`] with the first thing that is wrong.
    pub fn new(text: String, content_type: String) -> Result<Template, TemplateError> {
        let language = Language::of(&content_type);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(move |_| language.escape());
        environment.set_formatter(|out, state, value| match state.auto_escape() {
            AutoEscape::Custom(_) if !value.is_undefined() => Ok(out.write_str(&filters::encoded(value))?),
            _ => escape_formatter(out, state, value),
        });
        filters::add_to(&mut environment);
        environment.add_template_owned(NAME, text).map_err(|error| of_syntax(&error))?;
        let template = Template { environment, content_type };
        samples::all(|name, source| template.tried(language, name, source))?;
        Ok(template)
    }

    /// The content type of its bodies.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Writes the body of a mail.
    ///
    /// # Errors
    /// Those of `out`; and of the template, if the mail has something that no sample has.
    pub fn write(&self, source: &Source<'_>, out: &mut dyn io::Write) -> io::Result<()> {
        let template = self.environment.get_template(NAME).map_err(io::Error::other)?;
        template.render_captured_to(context(source), out).map(drop).map_err(io::Error::other)
    }

    fn rendered(&self, source: &Source<'_>) -> Result<String, Error> {
        self.environment.get_template(NAME)?.render(context(source))
    }

    fn tried(&self, language: Language, sample: &str, source: &Source<'_>) -> Result<(), TemplateError> {
        let body = self.rendered(source).map_err(|error| of_sample(&error, sample))?;
        if language != Language::Json {
            return Ok(());
        }
        serde_json::from_str::<IgnoredAny>(&body).map(drop).map_err(|error| {
            let remedy = "what {{ … }} prints is JSON already, so write no quotes around it, and commas outside of it";
            TemplateError {
                line: None,
                text: format!("does not make JSON of a mail {sample}: {error} of the body; {remedy}"),
            }
        })
    }
}

/// What a template sees.
fn context(source: &Source<'_>) -> Value {
    json::with_received(source, |payload| Value::from(Serde(&payload)))
}

fn of_syntax(error: &Error) -> TemplateError {
    TemplateError { line: error.line(), text: format!("is no template: {}; mend it", what(error)) }
}

fn of_sample(error: &Error, sample: &str) -> TemplateError {
    let remedy =
        "look at the fields in `pophook schema payload`, and write {% if … %} or default(…) where one may be missing";
    TemplateError { line: error.line(), text: format!("fails with a mail {sample}: {}; {remedy}", what(error)) }
}

/// What happened, without the place.
fn what(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Template, TemplateError> {
        Template::new(text.to_owned(), "application/json".to_owned())
    }

    /// Renders the sample mail with quotes in its subject.
    fn rendered(template: &Template) -> String {
        let mut body = String::new();
        samples::all(|name, source| {
            if name.contains("quotes") {
                body = template.rendered(source).unwrap();
            }
            Ok::<(), Error>(())
        })
        .unwrap();
        body
    }

    fn check(text: &str, line: Option<usize>, expected: &str) {
        let error = json(text).err().unwrap();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.text.contains(expected), "{text}: {error}");
    }

    #[test]
    fn what_is_wrong_shows_before_any_mail_comes() {
        check("{\n{% if %}", Some(2), "is no template: syntax error");
        check("{\n\n\"a\": {{ data.subjct }} }", Some(3), "undefined value");
        check("{{ data.subject|shout }}", Some(1), "unknown filter");
        check("{ \"a\": \"{{ data.subject }}\" }", None, "does not make JSON of a mail");
        check("{ \"a\": {{ data.subject|truncate(5) }} }", Some(1), "without a subject");
        check("{ \"a\": {{ data.spooled_at|date('%Y', 'Nowhere/None') }} }", Some(1), "no time zone");
        check("{ \"a\": {{ data.spooled_at|date('%!') }} }", Some(1), "date");
        check("[1,]", None, "does not make JSON of a mail of plain text");
    }

    #[test]
    fn a_text_cannot_break_out_of_json() {
        let template = json(
            "{\"a\": {{ data.subject }}, \"b\": {{ ('x ' ~ data.subject)|truncate(6) }}, \"c\": {{ data.subject|tojson }}}",
        );
        let body: serde_json::Value = serde_json::from_str(&rendered(&template.unwrap())).unwrap();
        assert_eq!(body["a"], "Say \"hello\", \\ and\u{2028}<b>&more=1</b>");
        assert_eq!((&body["b"], &body["c"]), (&"x Say\u{2026}".into(), &body["a"]));
    }

    #[test]
    fn a_text_cannot_break_out_of_a_form() {
        let template = "a={{ data.subject }}&b={{ data.subject|urlencode }}&c={{ data.html }}&d=x";
        let template =
            Template::new(template.to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned());
        let body = rendered(&template.unwrap());
        let read: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let subject = "Say \"hello\", \\ and\u{2028}<b>&more=1</b>".to_owned();
        let expected = [("a", subject.clone()), ("b", subject), ("c", String::new()), ("d", "x".to_owned())];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn dates_and_html_are_made_readable() {
        let text = "{{ data.spooled_at|date('%d.%m.%Y %H:%M', 'Europe/Berlin') }}|{{ data.spooled_at|date('%H') }}|\
            {{ '<p>a &amp; <b>b</b></p>'|html_to_text|trim }}";
        let template = Template::new(text.to_owned(), "text/plain".to_owned()).unwrap();
        assert_eq!(rendered(&template), "31.01.2026 13:00|12|a & b");
    }
}
