from __future__ import annotations

import pytest
import torch

from augment_ops.modalities.image.networks import small_cnn, with_pixel_input


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3), (5, 7, 1), (8, 8, 1), (28, 28, 1), (33, 47, 4), (4, 64, 3)])
def test_the_default_net_fits_any_image(shape):
    torch.manual_seed(0)
    net = with_pixel_input(small_cnn(shape, 6)).eval()
    with torch.no_grad():
        logits = net(torch.zeros((3, *shape), dtype=torch.uint8))
    assert logits.shape == (3, 6)
    assert logits.dtype == torch.float32


def test_the_pixel_input_scales_and_turns_the_axes():
    class Eye(torch.nn.Module):
        def forward(self, images):
            return images

    images = torch.arange(2 * 3 * 4 * 2, dtype=torch.uint8).reshape(2, 3, 4, 2)
    out = with_pixel_input(Eye())(images)
    assert out.shape == (2, 2, 3, 4)
    assert out.dtype == torch.float32
    assert torch.equal(out[1, 1, 2, 3], images[1, 2, 3, 1].to(torch.float32) / 255)
