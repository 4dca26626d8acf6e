"""What sources of every modality are read with: places, archives, tables; and snapshots as a source."""
