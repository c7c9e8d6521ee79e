"""Pages of custody."""

from django.urls import path

from custody.views import proofs, redemptions, reserves, statement, wallet

urlpatterns = [
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/deposit/", wallet.deposit, name="deposit"),
    path("wallet/faucet/", wallet.faucet, name="faucet"),
    path("wallet/history/", wallet.history, name="wallet_history"),
    path("wallet/statement/", statement.statement, name="statement"),
    path("wallet/statement.csv", statement.export, {"kind": "csv"}, name="statement_csv"),
    path(
        "wallet/statement.parquet", statement.export, {"kind": "parquet"}, name="statement_parquet"
    ),
    path("wallet/statement.pdf", statement.export, {"kind": "pdf"}, name="statement_pdf"),
    path("wallet/entries/<int:entry_id>/proof/", proofs.proof, name="proof"),
    path("wallet/entries/<int:entry_id>/proof.json", proofs.proof_file, name="proof_file"),
    path("redemptions/", redemptions.redemptions, name="redemptions"),
    path("redemptions/new/", redemptions.new_redemption, name="new_redemption"),
    path("redemptions/<uuid:redemption_id>/", redemptions.redemption, name="redemption"),
    path("reserves/", reserves.reserves, name="reserves"),
    path("reserves/seals/<slug:chain>.jsonl", reserves.heads, name="heads"),
    path("reserves/seals.pub", reserves.public_keys, name="seal_keys"),
    path("reserves/<slug:code>/", reserves.reserve, name="reserve"),
]
