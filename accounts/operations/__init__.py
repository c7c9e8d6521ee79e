"""What accounts does, one module a noun: kyc, provider, decisions, sanctions, restrictions,
disclosures, investors, outbox."""
