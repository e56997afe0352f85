"""An answer as plain data and pure sums: its state, its limits, its ledger, its price. No I/O."""
