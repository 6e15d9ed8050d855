"""Initial weights, teachers and the adjustment of logits."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from street import street

from icnet_ros.checkpoint.classes import load_classes
from icnet_ros.checkpoint.file import Checkpoint, build_network
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.network.icnet import EXITS, ICNet
from icnet_ros.training.loss import adjust_logits
from icnet_ros.training.recipe import Recipe
from icnet_ros.training.start import check_teacher, continued, from_checkpoint, network_spec, teacher_network


def checkpoint(classes, width=0.25, **changes):
    spec = ModelSpec(classes, width, trained=True, **changes)
    return Checkpoint(spec, build_network(spec).state_dict(), "other")


def test_logit_adjustment_undoes_the_class_weights():
    """A loss with weights w makes the probabilities w times too large; all of it is undone with amount 1."""
    network = ICNet(3, 0.25, EXITS).eval()
    balance = torch.tensor([0.5, 2.0, 4.0])
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(image)
        for amount in (0.0, 0.5, 1.0):
            adjusted = ICNet(3, 0.25, EXITS).eval()
            adjusted.load_state_dict(adjust_logits(network.state_dict(), balance, amount)[0])
            for one, other in zip(before, adjusted(image), strict=True):
                expected = one.softmax(1) / balance[:, None, None] ** amount
                assert torch.allclose(other.softmax(1), expected / expected.sum(1, keepdim=True), atol=1e-5)


def test_a_training_that_goes_on_does_not_adjust_the_logits_twice():
    table = load_classes("camvid")
    first = checkpoint(table)
    weights, shift = adjust_logits(first.weights, torch.linspace(0.5, 4, 11), 0.5)
    saved = Checkpoint(replace(first.spec, training={"logit_shift": shift}), weights, "saved")
    for start, expected in ((from_checkpoint(saved), weights), (from_checkpoint(saved).unadjusted(), first.weights)):
        network = ICNet(11, 0.25, EXITS)
        start.apply(network, table.names, lambda: torch.zeros(0))
        assert all(torch.allclose(value, expected[key], atol=1e-5) for key, value in network.state_dict().items())
    with pytest.raises(CheckpointError, match="no number for each class"):
        from_checkpoint(replace(saved, spec=replace(first.spec, training={"logit_shift": ["much"] * 11})))


def test_a_student_whose_logits_are_shifted_learns_from_those_that_its_teacher_learned():
    table = load_classes("camvid")
    first = checkpoint(table)
    weights, shift = adjust_logits(first.weights, torch.linspace(0.5, 4, 11), 0.5)
    teacher = Checkpoint(replace(first.spec, training={"logit_shift": shift}), weights, "saved")
    images = torch.randn(1, 3, 64, 64)
    recipe = Recipe(dataset="camvid", class_balance="log")
    with torch.inference_mode():
        for amount, expected in ((0.5, first), (0.0, teacher)):
            student = teacher_network(teacher, first.spec, replace(recipe, logit_adjustment=amount))
            assert torch.allclose(student(images)[-1], expected.network()(images)[-1], atol=1e-4)


def test_a_teacher_may_see_the_crops_enlarged():
    teacher = checkpoint(load_classes("camvid"))
    images = torch.randn(1, 3, 64, 96)
    enlarged = F.interpolate(images, (96, 144), mode="bilinear")
    with torch.inference_mode():
        found = teacher_network(teacher, teacher.spec, Recipe(dataset="camvid", teacher_scale=1.5))(images)[-1]
        assert torch.allclose(found, teacher.network()(enlarged)[-1], rtol=1e-3, atol=1e-2)


def test_a_start_keeps_the_rows_of_known_classes_and_refuses_another_width():
    old, new = load_classes("cityscapes").names, load_classes("camvid").names
    other = checkpoint(load_classes("cityscapes"))
    other.weights["k1.conv.weight"].fill_(7)
    network = ICNet(11, 0.25, EXITS)
    from_checkpoint(other).apply(network, new, lambda: torch.zeros(0))
    assert (network.k1.conv.weight == 7).all()
    for layer in ("aux16", "aux8", "cls"):
        for kind in ("weight", "bias"):
            rows, trained = network.state_dict()[f"{layer}.{kind}"], other.weights[f"{layer}.{kind}"]
            assert torch.equal(rows[new.index("car")], trained[old.index("car")])
            assert torch.allclose(rows[new.index("bicyclist")], trained.mean(0))
    with pytest.raises(CheckpointError, match="need the same architecture and width"):
        from_checkpoint(other).apply(ICNet(11, 0.5, EXITS), new, lambda: torch.zeros(0))


def test_a_network_that_was_trained_on_other_input_is_refused(tiny):
    imported = Checkpoint(replace(tiny.spec, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)), tiny.weights, "imported")
    with pytest.raises(CheckpointError, match="trained with mean"):
        from_checkpoint(imported)


def test_fusion_and_blocks_are_those_of_the_checkpoint_unless_the_recipe_says_more():
    pruned = replace(
        checkpoint(load_classes("camvid")).spec, fusion="cff_coarse", blocks=(3, 4, 4, 1), stride_at="conv3"
    )
    recipe = continued(Recipe(dataset="camvid"), pruned)
    assert (recipe.fusion, recipe.blocks, recipe.stride_at) == ("cff_coarse", (3, 4, 4, 1), "conv3")
    recipe = continued(Recipe(fusion="deconv3", blocks=(3, 4, 3, 1)), pruned)
    assert (recipe.fusion, recipe.blocks) == ("deconv3", (3, 4, 3, 1))
    assert continued(Recipe(architecture="pspnet50"), pruned) == Recipe(architecture="pspnet50")


def test_a_training_continues_with_the_widths_of_its_parts(tmp_path):
    data = street(tmp_path, "train", 1, 0)
    narrow = checkpoint(data.classes, widths={"res5": 0.125, "hi": 0.125})
    start = from_checkpoint(narrow)
    spec = network_spec(Recipe(width=narrow.spec.width), data, start)
    assert spec.widths == {"res5": 0.125, "hi": 0.125}
    start.apply(build_network(spec), spec.classes.names, lambda: torch.zeros(0))


def test_a_teacher_must_see_and_know_the_same():
    camvid = load_classes("camvid")
    student = ModelSpec(camvid, 0.25)
    check_teacher(checkpoint(camvid), student)
    with pytest.raises(CheckpointError, match="another mean"):
        check_teacher(checkpoint(camvid, mean=(0.0, 0.0, 0.0)), student)
    with pytest.raises(CheckpointError, match="knows other classes"):
        check_teacher(checkpoint(load_classes("cityscapes")), student)
