from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from augment_ops.errors import DataError, InputError
from augment_ops.modalities import modality
from augment_ops.modalities.text.texts import written

KIND = modality("text")


def samples(*texts: str) -> np.ndarray:
    return written(texts, 64)


def test_a_text_is_shown_beside_what_it_was_made_of_and_escaped():
    (page,) = KIND.show(
        samples("where is <b>my</b> crad\u202e"), ["a <i>"], against=samples("where is <b>my</b> card"), css_class="px"
    )
    assert page.startswith('<table class="px"><caption>a &lt;i&gt;</caption>')
    assert '<td dir="auto">where is &lt;b&gt;my&lt;/b&gt; card</td>' in page
    assert "where is &lt;b&gt;my&lt;/b&gt; <mark>crad" in page and "\u202e" not in page
    (alone,) = KIND.show(samples("أين بطاقتي"), ["x"])
    assert "أين بطاقتي" in alone and "before" not in alone and "<mark>" not in alone


def test_how_far_a_text_is_from_another():
    (before,) = samples("where is my card")
    assert KIND.change(before, before) == 0
    assert KIND.change(before, samples("where is my crad")[0]) == 0.25
    assert KIND.change(before, samples("Where is my card ?")[0]) == 0.01
    assert KIND.change(samples("")[0], samples("x")[0]) == 0.01


def test_a_text_is_drawn_in_bold_where_it_changed():
    figure, axes = plt.subplots()
    KIND.draw(axes, samples("costs $5 or $6")[0], against=samples("costs $5")[0])
    figure.canvas.draw()
    assert [(one.get_text(), one.get_weight()) for one in axes.texts] == [(r"costs \$5 or \$6", "bold")]
    plt.close(figure)


def test_what_is_no_text_and_what_texts_are_not_asked():
    KIND.check(samples("a"), "here")
    for wrong in (samples("a")[0], samples("a").astype(np.int64), ["a"]):
        with pytest.raises(DataError, match="here"):
            KIND.check(wrong, "here")
    with pytest.raises(InputError, match="neither"):
        KIND.with_input(lambda shape, classes: None, (8, 8), (), ())
    with pytest.raises(InputError, match="mixing"):
        KIND.pasted(samples("a"), samples("b"), np.ones(1), np.ones((1, 2)))
