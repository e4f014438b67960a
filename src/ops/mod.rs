//! (stub)
pub mod admin {
    use futures_util::future::BoxFuture;
    use std::sync::Arc;
    pub struct Check {
        pub name: &'static str,
        pub ok: bool,
        pub detail: String,
    }
    pub type Health = Arc<dyn Fn() -> BoxFuture<'static, Vec<Check>> + Send + Sync>;
    pub struct Admin {
        pub metrics: metrics_exporter_prometheus::PrometheusHandle,
        pub health: Health,
        pub mail: Option<super::mail::MailSource>,
    }
    pub fn router(_a: Admin) -> axum::Router {
        axum::Router::new()
    }
}
pub mod mail {
    pub struct MailSource;
    pub fn source(_c: crate::channels::Capture) -> MailSource {
        MailSource
    }
}
pub mod public {
    use crate::domain::token::Unsubscribe;
    use futures_util::future::BoxFuture;
    use serde_json::{Map, Value};
    use std::sync::Arc;
    pub struct Public {
        pub secret: Arc<[u8]>,
        pub shop_name: Arc<dyn Fn() -> String + Send + Sync>,
        pub withdraw: Arc<
            dyn Fn(Unsubscribe, Map<String, Value>) -> BoxFuture<'static, Result<(), String>> + Send + Sync,
        >,
    }
    pub fn router(_p: Public) -> axum::Router {
        axum::Router::new()
    }
}
pub fn withdrawal(
    link: &crate::domain::token::Unsubscribe,
    proof: serde_json::Map<String, serde_json::Value>,
    now: chrono::DateTime<chrono::Utc>,
) -> crate::domain::event::Event {
    crate::domain::event::Event {
        id: format!("{}-{}", link.message_id, now.timestamp_micros()),
        source: "/declic/unsubscribe".into(),
        kind: "consent.changed".into(),
        subject: link.customer_id.clone(),
        time: now,
        data: {
            let mut d = proof;
            d.insert("channel".into(), link.channel.as_str().into());
            d.insert("purpose".into(), link.purpose.clone().into());
            d.insert("status".into(), "withdrawn".into());
            serde_json::Value::Object(d)
        },
    }
}
