//! A collector of telemetry that accepts connections and never answers.

use tokio::net::TcpListener;

/// Starts it; it listens for as long as the runtime lasts. Returns its base address.
///
/// # Errors
/// No port can be had.
pub async fn collector() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    Ok(address)
}
