"""Why a server has no network: where its packets are lost, and what is to be done."""
