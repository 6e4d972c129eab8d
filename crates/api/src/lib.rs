//! HTTP, WebSocket, SSE and the page.
