//! Tests of the e-mail channel, and the mail they send.

mod dialogue;
mod mime;
mod server;

use chrono::DateTime;

use super::Email;

/// A mail with everything in it.
pub fn mail() -> Email {
    Email {
        message_id: "0123456789abcdef0123456789abcdef".to_owned(),
        date: DateTime::from_timestamp(1_795_338_000, 0).unwrap_or_default(),
        from_name: "La Boutique d'Élise".to_owned(),
        from: "shop@shop.example".to_owned(),
        reply_to: Some("help@shop.example".to_owned()),
        to: "alice@example.com".to_owned(),
        subject: "Votre panier vous attend".to_owned(),
        html: "<p>Bonjour Élise</p>\n.\n".to_owned(),
        text: "Bonjour Élise\n.\n".to_owned(),
        unsubscribe_url: Some("https://shop.example/u/abc".to_owned()),
        customer_id: "c-42".to_owned(),
        rule: "abandoned-cart".to_owned(),
        locale: "fr-FR".to_owned(),
        purpose: "marketing".to_owned(),
    }
}
