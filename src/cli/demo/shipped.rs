//! The shipped rules and templates, inside the binary, for a demo away from a checkout.

use std::path::Path;

macro_rules! shipped {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../", $path))),)+]
    };
}

/// Path and text of each file that a worker runs by. A test sees to it that none is missing.
pub const FILES: &[(&str, &str)] = shipped![
    "rules/abandoned-cart.yaml",
    "rules/birthday.yaml",
    "rules/confirm-newsletter.yaml",
    "rules/events.yaml",
    "rules/order-shipped.yaml",
    "rules/policy.yaml",
    "rules/welcome.yaml",
    "templates/_partials/coupon.en.mjml",
    "templates/_partials/coupon.en.txt",
    "templates/_partials/coupon.fr.mjml",
    "templates/_partials/coupon.fr.txt",
    "templates/_partials/footer.en.mjml",
    "templates/_partials/footer.en.txt",
    "templates/_partials/footer.fr.mjml",
    "templates/_partials/footer.fr.txt",
    "templates/_partials/head.mjml",
    "templates/_partials/header.mjml",
    "templates/_partials/items.en.mjml",
    "templates/_partials/items.en.txt",
    "templates/_partials/items.fr.mjml",
    "templates/_partials/items.fr.txt",
    "templates/abandoned-cart-offer/email.en.mjml",
    "templates/abandoned-cart-offer/email.en.txt",
    "templates/abandoned-cart-offer/email.fr.mjml",
    "templates/abandoned-cart-offer/email.fr.txt",
    "templates/abandoned-cart-offer/sample.yaml",
    "templates/abandoned-cart-offer/sms.en.txt",
    "templates/abandoned-cart-offer/sms.fr.txt",
    "templates/abandoned-cart/email.en.mjml",
    "templates/abandoned-cart/email.en.txt",
    "templates/abandoned-cart/email.fr.mjml",
    "templates/abandoned-cart/email.fr.txt",
    "templates/abandoned-cart/sample.yaml",
    "templates/birthday/email.en.mjml",
    "templates/birthday/email.en.txt",
    "templates/birthday/email.fr.mjml",
    "templates/birthday/email.fr.txt",
    "templates/birthday/sample.yaml",
    "templates/birthday/sms.en.txt",
    "templates/birthday/sms.fr.txt",
    "templates/confirm-newsletter-reminder/email.en.mjml",
    "templates/confirm-newsletter-reminder/email.en.txt",
    "templates/confirm-newsletter-reminder/email.fr.mjml",
    "templates/confirm-newsletter-reminder/email.fr.txt",
    "templates/confirm-newsletter-reminder/sample.yaml",
    "templates/confirm-newsletter/email.en.mjml",
    "templates/confirm-newsletter/email.en.txt",
    "templates/confirm-newsletter/email.fr.mjml",
    "templates/confirm-newsletter/email.fr.txt",
    "templates/confirm-newsletter/sample.yaml",
    "templates/order-shipped/email.en.mjml",
    "templates/order-shipped/email.en.txt",
    "templates/order-shipped/email.fr.mjml",
    "templates/order-shipped/email.fr.txt",
    "templates/order-shipped/sample.yaml",
    "templates/order-shipped/sms.en.txt",
    "templates/order-shipped/sms.fr.txt",
    "templates/welcome/email.en.mjml",
    "templates/welcome/email.en.txt",
    "templates/welcome/email.fr.mjml",
    "templates/welcome/email.fr.txt",
    "templates/welcome/sample.yaml",
];

/// Writes the files below `folder`.
pub fn unpack(folder: &Path) -> std::io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_in_the_binary() {
        let read = crate::files::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut on_disk: Vec<_> = read.iter().map(|f| f.path.as_str()).collect();
        let packed: Vec<_> = FILES.iter().map(|(path, _)| *path).collect();
        on_disk.sort_unstable();
        assert_eq!(on_disk, packed);
    }
}
