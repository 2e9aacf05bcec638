//! The document of an API, made of its table of routes.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, Required, ResponseBuilder,
};
use warp::http::Method;

use super::parameter::Described;
use super::refusal;
use super::routes::{JSON, Route, Serves, Shape};

const BEARER: &str = "bearer";
/// What any route may answer instead, and when.
const REFUSALS: [(&str, &str); 5] = [
    ("400", "The request is not valid; every fault is named"),
    ("401", "A valid bearer token is needed"),
    ("403", "The caller may not do this"),
    ("413", "The body, or the batch, is too large"),
    ("503", "Nobody answers now; try again after `Retry-After`"),
];

/// And one that takes a body.
const BODY_REFUSALS: [(&str, &str); 2] = [
    ("408", "The body took too long to come"),
    ("415", "The body is not JSON, or in a coding that is not known"),
];

/// The document, as OpenAPI 3.1 has it.
pub fn document<S: Serves>(title: &str, routes: &[Route<S>]) -> OpenApi {
    let refusal = Shape::of::<refusal::Body<'_>>();
    let mut shapes = Vec::new();
    (refusal.gather)(&mut shapes);
    let mut paths = PathsBuilder::new();
    for route in routes {
        (route.answer.1.gather)(&mut shapes);
        route.body.iter().for_each(|body| (body.gather)(&mut shapes));
        paths = paths.path(route.path, PathItem::new(method(route), operation(route, &refusal)));
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let mut components =
        ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(bearer));
    for (name, schema) in shapes {
        components = components.schema(name, schema);
    }
    let info = InfoBuilder::new().title(title).version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn method<S: Serves>(route: &Route<S>) -> HttpMethod {
    match route.method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        _ => HttpMethod::Get,
    }
}

fn operation<S: Serves>(route: &Route<S>, refusal: &Shape) -> utoipa::openapi::path::Operation {
    let (status, answer) = route.answer;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name))
        .summary(Some(route.about))
        .security(SecurityRequirement::new(BEARER, [""; 0]))
        .response(status.to_string(), response("The answer", route.media, &answer));
    if let Some(of) = route.segment {
        operation = operation.parameter(parameter(of, ParameterIn::Path));
    }
    for of in route.parameters {
        operation = operation.parameter(parameter(*of, ParameterIn::Query));
    }
    if let Some(body) = &route.body {
        let body = RequestBodyBuilder::new().content(JSON, content(body));
        operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let with_body = BODY_REFUSALS.iter().filter(|_| route.body.is_some());
    for (status, about) in REFUSALS.iter().chain(with_body) {
        operation = operation.response(*status, response(about, JSON, refusal));
    }
    operation.build()
}

fn content(of: &Shape) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name((of.name)()))).build()
}

fn response(about: &str, media: &str, of: &Shape) -> utoipa::openapi::Response {
    ResponseBuilder::new().description(about).content(media, content(of)).build()
}

fn parameter(of: &dyn Described, place: ParameterIn) -> utoipa::openapi::path::Parameter {
    let required = if of.is_required() { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(of.name())
        .parameter_in(place)
        .description(Some(of.about()))
        .required(required)
        .schema(Some(of.schema()))
        .build()
}
