//! Whether mailbox providers will take our mail for ours: what the DNS says of the domains that it is sent from.

use std::net::SocketAddr;

use super::{Finding, Outcome, dns};
use crate::channels::email::{SmtpConfig, public_key};
use crate::config::Config;
use crate::domain::rules::Policy;
use crate::domain::sending_domain::{are_aligned, dkim, dmarc, spf};

/// What is asked about: the domain readers see, the one that mail servers see, and the keys.
struct Domains {
    from: String,
    envelope: String,
}

/// Findings are warnings: a worker sends without these records too, and its mail is taken for spam.
pub async fn findings(config: &Config, policy: &Policy, resolver: Option<SocketAddr>) -> Vec<Finding> {
    // What is captured goes nowhere; what is wrong with the section is told already.
    let Ok(Some(smtp)) = config.section::<SmtpConfig>("smtp") else { return Vec::new() };
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let Some(from) = domain(&policy.sender.email) else { return Vec::new() };
    let envelope = smtp.bounce_address.as_deref().or(smtp.envelope_from.as_deref()).and_then(domain);
    let domains = Domains { envelope: envelope.unwrap_or_else(|| from.clone()), from };
    let Some(resolver) = resolver.or_else(dns::resolver) else {
        let words = "no resolver is known (/etc/resolv.conf): SPF, DKIM and DMARC were not looked at";
        return vec![Finding { name: "dns", outcome: Outcome::Doubtful(words.to_owned()) }];
    };
    let said = match asked(&domains, &smtp, resolver).await {
        Ok(said) => said,
        Err(error) => vec![Err(format!("SPF, DKIM and DMARC were not looked at: {error}"))],
    };
    said.into_iter().map(|said| Finding { name: "dns", outcome: said.into() }).collect()
}

/// The outer error: the resolver does not answer.
async fn asked(
    domains: &Domains,
    smtp: &SmtpConfig,
    resolver: SocketAddr,
) -> Result<Vec<Result<String, String>>, String> {
    let mut said = Vec::new();
    said.push(spf(&domains.envelope, &dns::texts(resolver, &domains.envelope).await?));
    for key in &smtp.dkim {
        let name = format!("{}._domainkey.{}", key.selector, key.domain);
        // A key that cannot be read is told with the mail server.
        let Ok(public) = public_key(key) else { continue };
        said.push(dkim(&name, &dns::texts(resolver, &name).await?, &public));
    }
    if smtp.dkim.is_empty() {
        said.push(Err(
            "no DKIM key is configured: if your provider does not sign for your domain, add [[smtp.dkim]]"
                .to_owned(),
        ));
    }
    let from = domains.from.as_str();
    let signed = smtp.dkim.iter().any(|key| are_aligned(&key.domain, from));
    if !signed && !smtp.dkim.is_empty() && !are_aligned(&domains.envelope, from) {
        said.push(Err(format!(
            "neither the DKIM keys nor the return path are of {from}, which readers see: DMARC fails for every mail"
        )));
    }
    let mut policies = Vec::new();
    let mut above = Some(from);
    while let Some(name) = above.filter(|name| name.contains('.')) {
        policies.push(dns::texts(resolver, &format!("_dmarc.{name}")).await?);
        above = name.split_once('.').map(|(_, rest)| rest);
    }
    said.push(dmarc(from, &policies));
    Ok(said)
}
