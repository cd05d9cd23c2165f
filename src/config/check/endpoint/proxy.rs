//! The HTTP proxy on the way to an endpoint or to the attachment store: the one that is written for it, else the one of the environment.
//!
//! `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, also in lower case, are read as curl does.

use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::config::check::noted;
use crate::config::outside::Outside;
use crate::config::problem::Path;
use crate::config::problem::Report;
use crate::config::secret::Source;
use crate::config::secret::resolve;
use crate::deliver::Proxy;

const REMEDY: &str = "write one such as http://proxy.example.com:3128, or none";

// The texts never repeat a proxy's URL: it may carry a password.
pub(in crate::config::check) fn check(
    written: &Option<Source>,
    url: Option<&Url>,
    path: &Path,
    outside: &dyn Outside,
    report: &mut Report,
) -> Option<Proxy> {
    let path = path.key("proxy");
    let Some(source) = written else {
        let found = of_environment(url?, outside)?;
        let text =
            "of the environment is no HTTP proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY); write one here, or none";
        return noted(proxy(&found).ok_or(text), &path, report);
    };
    let written = noted(resolve(source, outside), &path, report)?;
    if written.reveal() == "none" {
        return None;
    }
    noted(read(written.reveal()), &path, report)
}

fn of_environment(url: &Url, outside: &dyn Outside) -> Option<Intercept> {
    let variable = |name: &str| {
        let found = outside.variable(name).or_else(|| outside.variable(&name.to_ascii_lowercase()));
        found.unwrap_or_default()
    };
    let [all, http, https, no] = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].map(variable);
    Matcher::builder().all(all).http(http).https(https).no(no).build().intercept(&url.as_str().parse().ok()?)
}

fn read(text: &str) -> Result<Proxy, String> {
    let no_proxy = || format!("is no URL of an HTTP proxy; {REMEDY}");
    let url = Url::parse(text).map_err(|_| no_proxy())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(no_proxy());
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(format!("has a path, which a proxy does not; {REMEDY}"));
    }
    let anything = url.as_str().parse().ok();
    let matcher = Matcher::builder().all(text.to_owned()).build();
    anything.and_then(|anything| matcher.intercept(&anything)).and_then(|found| proxy(&found)).ok_or_else(no_proxy)
}

fn proxy(found: &Intercept) -> Option<Proxy> {
    let url = Url::parse(&found.uri().to_string()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let authorization = found.basic_auth().cloned().map(|mut value| {
        value.set_sensitive(true);
        value
    });
    Some(Proxy { url, authorization })
}
