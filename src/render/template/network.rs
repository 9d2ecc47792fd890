//! The way to S3: the gateway endpoint, and the network around it where that is made too.

use serde_json::{Value, json};

use super::{Template, attribute, reference};
use crate::spec::{EndpointMode, NewNetwork, NewNetworkNat, RouteTables};

pub(super) fn write(template: &mut Template<'_>) {
    if let Some(network) = template.desired.network.create.clone() {
        write_network(template, &network);
    }
    endpoint(template);
}

fn endpoint(template: &mut Template<'_>) {
    let plan = &template.desired.endpoint;
    if plan.mode != EndpointMode::Ensure {
        let description = "The S3 gateway endpoint of the cluster's VPC, vpce-…";
        template.parameter("S3EndpointId", "String", description);
        return;
    }
    let (vpc, tables) = match (&template.desired.network.create, &template.desired.network.vpc) {
        (Some(network), _) => {
            let tables = (0..network.zones).map(|zone| reference(&format!("PrivateRouteTable{zone}")));
            (reference("Vpc"), tables.collect())
        }
        (None, given) => {
            let vpc = given.as_ref().map_or_else(|| reference("VpcId"), |id| id.as_str().into());
            let tables: Value = match &plan.route_tables {
                RouteTables::Listed(ids) => ids.clone().into(),
                RouteTables::Private => reference("PrivateRouteTableIds"),
            };
            (vpc, tables)
        }
    };
    let properties = json!({
        "VpcEndpointType": "Gateway",
        "ServiceName": plan.service,
        "VpcId": vpc,
        "RouteTableIds": tables,
        "PolicyDocument": template.references.document(&plan.policy),
        "Tags": template.named("s3"),
    });
    let (asks_vpc, asks_tables) =
        (properties["VpcId"]["Ref"] == "VpcId", properties["RouteTableIds"]["Ref"] == "PrivateRouteTableIds");
    template.resource("S3Endpoint", "EC2::VPCEndpoint", properties);
    template.output("S3EndpointId", "The S3 gateway endpoint", reference("S3Endpoint"));
    if asks_vpc {
        template.parameter("VpcId", "AWS::EC2::VPC::Id", "The cluster's VPC");
    }
    if asks_tables {
        template.parameter(
            "PrivateRouteTableIds",
            "CommaDelimitedList",
            "Route tables of the cluster's private subnets",
        );
    }
}

fn write_network(template: &mut Template<'_>, network: &NewNetwork) {
    let vpc = json!({
        "CidrBlock": network.cidr,
        "EnableDnsHostnames": true,
        "EnableDnsSupport": true,
        "Tags": template.named("vpc"),
    });
    template.resource("Vpc", "EC2::VPC", vpc);
    let gateway = json!({ "Tags": template.named("internet") });
    template.resource("InternetGateway", "EC2::InternetGateway", gateway);
    let attachment = json!({ "VpcId": reference("Vpc"), "InternetGatewayId": reference("InternetGateway") });
    template.resource("InternetAttachment", "EC2::VPCGatewayAttachment", attachment);
    let table = json!({ "VpcId": reference("Vpc"), "Tags": template.named("public") });
    template.resource("PublicRouteTable", "EC2::RouteTable", table);
    let route = json!({
        "RouteTableId": reference("PublicRouteTable"),
        "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": reference("InternetGateway"),
    });
    template.resource("PublicRoute", "EC2::Route", route);
    template.after("PublicRoute", vec!["InternetAttachment".to_owned()]);
    for zone in 0..network.zones {
        write_zone(template, network, zone);
    }
}

/// A public and a private subnet, and the way out.
fn write_zone(template: &mut Template<'_>, network: &NewNetwork, zone: u8) {
    let subnet = |name: &str, number: u8, role: &str| {
        let mut tags = template.named(&format!("{name}-{zone}"));
        if let Some(tags) = tags.as_array_mut() {
            tags.push(json!({ "Key": role, "Value": "1" }));
        }
        json!({
            "VpcId": reference("Vpc"),
            "AvailabilityZone": { "Fn::Select": [zone, { "Fn::GetAZs": "" }] },
            "CidrBlock": { "Fn::Select": [number, blocks(network)] },
            "MapPublicIpOnLaunch": false,
            "Tags": tags,
        })
    };
    let public = subnet("public", zone, "kubernetes.io/role/elb");
    let private = subnet("private", network.zones + zone, "kubernetes.io/role/internal-elb");
    let (public_id, private_id) = (format!("PublicSubnet{zone}"), format!("PrivateSubnet{zone}"));
    let table = format!("PrivateRouteTable{zone}");
    template.resource(&public_id, "EC2::Subnet", public);
    template.resource(&private_id, "EC2::Subnet", private);
    let properties = json!({ "VpcId": reference("Vpc"), "Tags": template.named(&format!("private-{zone}")) });
    template.resource(&table, "EC2::RouteTable", properties);
    for (subnet, table) in [(&public_id, "PublicRouteTable"), (&private_id, table.as_str())] {
        let properties = json!({ "SubnetId": reference(subnet), "RouteTableId": reference(table) });
        template.resource(&format!("{subnet}Routes"), "EC2::SubnetRouteTableAssociation", properties);
    }
    let nat = match network.nat {
        NewNetworkNat::PerZone => zone,
        NewNetworkNat::Single => 0,
    };
    if nat == zone {
        let address = json!({ "Domain": "vpc", "Tags": template.named(&format!("nat-{zone}")) });
        template.resource(&format!("NatAddress{zone}"), "EC2::EIP", address);
        template.after(&format!("NatAddress{zone}"), vec!["InternetAttachment".to_owned()]);
        let gateway = json!({
            "SubnetId": reference(&public_id),
            "AllocationId": attribute(&format!("NatAddress{zone}"), "AllocationId"),
            "Tags": template.named(&format!("nat-{zone}")),
        });
        template.resource(&format!("NatGateway{zone}"), "EC2::NatGateway", gateway);
    }
    let route = json!({
        "RouteTableId": reference(&table),
        "DestinationCidrBlock": "0.0.0.0/0",
        "NatGatewayId": reference(&format!("NatGateway{nat}")),
    });
    template.resource(&format!("PrivateRoute{zone}"), "EC2::Route", route);
}

/// Sixteen blocks of the range: as many as three zones need, and some to spare.
fn blocks(network: &NewNetwork) -> Value {
    let bits: u8 = network.cidr.rsplit('/').next().and_then(|bits| bits.parse().ok()).unwrap_or(16);
    json!({ "Fn::Cidr": [attribute("Vpc", "CidrBlock"), 16, 32 - (bits + 4)] })
}
