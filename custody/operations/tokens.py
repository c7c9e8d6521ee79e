"""A token on the chain: its mint, and our two accounts of it.

What is minted lies in the issuance wallet until it is sold; what investors have lies
in the hot wallet. The ledger says whose it is; operations/settlement_legs.py moves it.
"""

from datetime import datetime

from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.gateways.token2022 import Metadata
from custody.models import Asset, ChainTransaction
from custody.operations.chain import Intent, sign_once
from custody.states import ChainTransactionState

ONE_E18 = 10**18


def open_token(*, asset_id: int, chain: SolanaChain, keys: ChainKeys, now: datetime) -> bool:
    """Create the token's mint and our issuance account unless they are there; True once final.

    Repeat until True: the address is derived from the asset's code, so a repeated
    call can only ever name the same mint.
    """
    asset = Asset.objects.select_related("instrument").get(id=asset_id)
    if asset.mint_address:
        return True
    creation = sign_once(intent=_creation(asset, chain, keys), chain=chain, now=now)
    # Not before: an abandoned block would leave an address where nothing is.
    if creation.state != ChainTransactionState.FINAL:
        return False
    Asset.objects.filter(id=asset.pk, mint_address="").update(
        mint_address=str(keys.mint(asset.code).pubkey())
    )
    return True


def issuance_account(asset: Asset, keys: ChainKeys) -> Pubkey:
    """Our token account of what is minted and not sold."""
    return _account(keys.issuance_wallet, asset)


def hot_account(asset: Asset, keys: ChainKeys) -> Pubkey:
    """Our token account of what investors have."""
    return _account(keys.hot_wallet, asset)


def opening(
    *, asset: Asset, wallet: Keypair, chain: SolanaChain, keys: ChainKeys
) -> list[Instruction]:
    """What it takes until a wallet of ours may hold this token; nothing when it may.

    Every account is born frozen, and anybody may open one of ours: both are looked at.
    Compliance signs what is in here.
    """
    mint, account = Pubkey.from_string(asset.mint_address), _account(wallet, asset)
    thaw = token2022.thaw(mint, account, keys.compliance.pubkey())
    match chain.may_receive(str(account), asset.mint_address):
        case None:
            return [token2022.open_account(keys.payer.pubkey(), wallet.pubkey(), mint), thaw]
        case False:
            return [thaw]
    return []


def _account(wallet: Keypair, asset: Asset) -> Pubkey:
    mint = Pubkey.from_string(asset.mint_address)
    return token2022.associated_account(wallet.pubkey(), mint)


def _creation(asset: Asset, chain: SolanaChain, keys: ChainKeys) -> Intent:
    """Our account is born frozen like every other, so compliance thaws it in the same breath."""
    mint, wallet = keys.mint(asset.code), keys.issuance_wallet.pubkey()
    size = token2022.MINT_BYTES + token2022.METADATA_BYTES_MAX
    instructions = token2022.create_mint(
        payer=keys.payer.pubkey(),
        mint=mint.pubkey(),
        authority=keys.mint_authority.pubkey(),
        compliance=keys.compliance.pubkey(),
        decimals=asset.decimals,
        multiplier=int(asset.multiplier_e18) / ONE_E18,
        rent_lamports=chain.rent_lamports(size),
        metadata=_metadata(asset),
    )
    account = token2022.associated_account(wallet, mint.pubkey())
    instructions += [
        token2022.open_account(keys.payer.pubkey(), wallet, mint.pubkey()),
        token2022.thaw(mint.pubkey(), account, keys.compliance.pubkey()),
    ]
    return Intent(
        kind=ChainTransaction.Kind.CREATE_MINT,
        key=f"create_mint:{asset.code}",
        instructions=instructions,
        signers=[keys.payer, mint, keys.mint_authority, keys.compliance],
    )


def _metadata(asset: Asset) -> Metadata:
    assert asset.instrument is not None
    fields = [("underlying_isin", asset.instrument.isin)]
    if asset.token_isin and not asset.token_isin_is_test:
        fields.append(("isin", asset.token_isin))
    return Metadata(
        name=_short(asset.name, 32), symbol=_short(asset.code, 10), uri="", fields=fields
    )


def _short(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8: the transaction has to fit a block."""
    return text.encode()[:size].decode(errors="ignore")
