//! The `OpenAPI` document: its head, and what is true of every path.

use utoipa::openapi::Components;
use utoipa::openapi::Info;
use utoipa::openapi::OpenApi;
use utoipa::openapi::OpenApiBuilder;
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::HttpBuilder;
use utoipa::openapi::security::SecurityScheme;

const ABOUT: &str = "Mailboxes, endpoints and messages of a running pophook, and what an operator can do with them. \
                     Names and ids are those of the configuration and of `webhook-id`. Times are RFC 3339 in UTC.";

/// What the document begins with.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("pophook", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    OpenApiBuilder::new().info(info).build()
}

/// Every path needs a token.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of admin.tokens."));
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]);
    document
}
