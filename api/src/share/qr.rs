//! The QR code of a link for students, to be shown to a class.

use std::sync::Arc;

use atelier_domain::timestamp::Timestamp;
use axum::extract::State;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use qrcode::QrCode;
use qrcode::render::svg;

use super::site;
use crate::app::App;
use crate::identity::caller::Caller;
use crate::input::number::Number;
use crate::input::{IdInPath, Parameters, input};
use crate::present::present;
use crate::problem::{Problem, Refused};

/// The least width and height of the code, in pixels; it can be scaled.
const SIDE: u32 = 320;

input! {
    /// Which link.
    QrQuery() {
        /// This link, if it lives; without it, the one that lives.
        link: Number<1, 1_000_000>,
    }
}

/// Draws the living link of an assignment as a QR code, for cameras.
#[utoipa::path(
    get,
    path = "/assignments/{id}/share/qr.svg",
    tag = "students",
    params(
        ("id" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_-]{1,64}$"),
        QrQuery,
    ),
    responses(
        (status = 200, description = "The code of the link's `url`.", body = String, content_type = "image/svg+xml"),
        Refused<400>, Refused<404>, Refused<500>, Refused<503>,
    )
)]
pub(crate) async fn qr(
    State(app): State<Arc<App>>,
    IdInPath(id): IdInPath,
    caller: Caller,
    Parameters(query): Parameters<QrQuery>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 2], String), Problem> {
    present(app.store(), &id, &caller).await?;
    let now = Timestamp::now();
    let wanted = query.link.map(|link| link.0);
    let links = app.store().shares().links(&id).await?;
    let mut links = links.into_iter().map(|(link, _)| link);
    let living = links.find(|it| it.is_live(now) && wanted.is_none_or(|wanted| wanted == it.link));
    let token = living.and_then(|link| link.token).ok_or_else(no_link)?;
    let url = format!("{}/s/{token}", site(&app, &headers));
    let svg = draw(&url).map_err(Problem::internal)?;
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "no-store")];
    Ok((headers, svg))
}

fn no_link() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such link that lives.")
}

/// `url` in black on white, whatever the page's colors are: cameras want it so.
fn draw(url: &str) -> Result<String, qrcode::types::QrError> {
    let code = QrCode::new(url)?;
    let svg = code
        .render::<svg::Color<'_>>()
        .min_dimensions(SIDE, SIDE)
        .build();
    Ok(svg)
}
